"""The text of docs/guide.md; a name in braces stands for the part that `docpages.guide` writes."""

TEXT = """# A practitioner's guide, asked of the embedded world

<!-- Written by python -m docpages.guide; do not edit. -->

FoMo-in-Flux ([arXiv 2408.14471](https://arxiv.org/abs/2408.14471)) asks what somebody should know
who keeps a CLIP up to date: which data to mix in, in which order, by which method, with which
schedule, model and budget, in how many updates. This page asks the same of the [embedded
world](demo.md), where a tiny CLIP learns forty new concepts, and says which of the published
findings hold there. Everything is asked by [rules](rules.md):
[grids/guide.sql](../grids/guide.sql) declares the searches, the seeds and the decisions, and
`sync` does the rest.

It is a finding about a tiny model in a tiny world at 25 steps a task, and no more. Whoever has a
cluster declares the same on FoMo-in-Flux itself: [grids/guide_fomo.sql](../grids/guide_fomo.sql),
for ViT-B/16.

## How it was asked

- **One setting, and one word changed.** The default is `finetune` on a third each of new pairs,
  earlier tasks and pretraining pairs (`replay_thirds`), 100 steps of 64 pairs over four tasks of
  ten concepts. Everything else on this page differs from it in one word.
- **Tuned, with equal budgets of search.** Every method, every mixture and every model tries the
  same five learning rates (4e-4 to 1.28e-2) with a quarter of the steps, and the three better
  ones with all of them, one seed, on *validation* images (`halving`). Schedules try three rates
  each. Orders, numbers of tasks and budgets keep the rate of the default. Other numbers of a
  method are those of its row, as published, and were not tuned: a penalty may weigh too little to
  do anything in so short a run.
- **Seeds that no search used.** Then three seeds at the chosen rate, on test images. Where a
  published finding is still open, rules add seeds: to six, then to twelve.
- **Decided.** Interval and verdict are those of a rule that looks after 3, 6 and 12 seeds and
  calls equal choices different in at most 5 % of studies over all its looks
  ([statistics.md](statistics.md)). *undecided* says so: neither better nor alike.
- **Measures.** `a_ka` is what was learned, `a_zs` what was kept, `gm` the geometric mean of both,
  after the last task.

## What ran

{facts}

It ran on one of two cores of an AMD EPYC, beside other work. Three things were changed by hand in
its first hour. Chosen rates lay at the lower edge of the range, so 4e-4 took the place of 2.56e-2,
which had lost every search that it was in; halving keeps three of five rates and not two; and
priorities moved. They moved again in its last hour, so that open findings came first, and one rule
(`guide decide findings`) took the place of three of which nothing had run. Trials at rates that are
not in the grid, or no longer the chosen one, are not kept.

Most of the 39 methods ran later, on another such machine, in a catalog that held what was kept by
then. The bases were trained again there, with the same results to the bit. Two to four trials ran
at once beside much other work, so the hours above are more than they cost. Three searches had
lacked one rate each when they were kept, and halving counted without it at first: a fourth rate of
each that ran to the end, and lost, is not kept.

The rules are not at their end yet. Missing are models twice as wide and twice as deep, and the
rates that halving left out; they come in the order of the priorities in the grid. How to go on is
at the [end of this page](#going-on).

## The published findings

Each is worded as a comparison of two choices, the one first that should be ahead; the difference
is the first less the second. Findings are in our words, as summaries of the papers tell them; those
with a † we know from memory alone, and did not read there.

{findings}

The 5 % hold for each line by itself, not for all of them together. A table below compares more
choices at once and pools what their seeds say of the spread, so its verdict may differ.

### What it says so far

- **Replay pays most.** Without it both what is learned and what is kept are the least of all
  mixtures, by their means. A third each of new pairs, earlier tasks and pretraining pairs is better
  than half of either kind of replay. Which half is better twelve seeds do not tell: they are within
  0.015 of each other.
- **Many small updates cost a lot** at an equal number of steps: two tasks are better than twenty,
  with merging and without.
- **Merging after every task is the better trade-off**, by little over no merging, and by more over
  merging tasks that were learned apart, or once at the end. Averaging and TIES are within 0.03 of
  each other, and TIES is ahead.
- **Low-rank and norm-only tunings** keep a little more and learn far less; so does `bitfit`, by its
  means.
- **Penalties** as weighted here change nothing that twelve seeds show: `guide_ewc` is within 0.006
  of `finetune` in what is learned and in what is kept.
- **Of 39 methods, each at its own rate,** distillation from the untouched backbone (`zscl`) has the
  highest mean. Behind it by three seeds are low-rank updates (`lora_r8`, `lora_r64`, `dora_r4`,
  `inflora`, `keeplora`), biases or norms alone, a locked text tower, `osf`, `paint`, and of the
  merges `zs_merge`, `zs_merge_all`, `ties_all`, `task_arithmetic_all`, `model_stock` and `opcm`.
  The other 22 are ties with it, replay of what was said at the time (`derpp`) among them.
- **Twice the steps help** with merging and without, and about equally. At 25 steps a task nothing
  has been learned to its end, so this may differ where budgets are larger.
- **Wider and deeper models are better** after equally many steps, which cost more there: towers
  half as wide, or of one layer, end behind, with half and with twice the steps as well by their
  means.
- **A peak that falls over tasks** keeps more, and is behind by the geometric mean, since it learns
  less, by its means.
- **Orders** differ little. Easy concepts first end ahead of hard ones first, and twelve seeds leave
  open whether by less than 0.03. Shuffled concepts and one data set after the other are within
  0.03.

## Data mixtures, and how much replay

`finetune` on other mixtures, each at its own rate.

{mixtures}

![Mixtures](images/guide_mixture.png)

As a question: `python -m queries effect axis=mixture recipes=chosen every_look=true stream=guide
method=finetune`.

## Orders of the stream

The six kinds of order of FoMo-in-Flux, made by `python -m runner.order`
([grids/guide_orders.sql](../grids/guide_orders.sql)); the last of them, by year, is data set
after data set here. `finetune`:

{orders}

![Orders](images/guide_ordering.png)

`ema_merge`:

{orders, merged}

As a question: `python -m queries effect axis=ordering recipes=chosen every_look=true
method=finetune`; there the trials of the [schedules](#schedules-within-and-over-tasks), which have
a stream of their own, count as `world_random`, too.

## Methods

All 39 rows, each at its own rate. All are compared with the best at once, so that three seeds tell
only large differences apart.

{methods}

![What is learned and lost by method](images/guide_method.png)

As a question: `python -m queries effect axis=method recipes=chosen every_look=true stream=guide
mixture=replay_thirds`.

## Schedules within and over tasks

`finetune`, the best of three rates for each.

{schedules}

![Schedules](images/guide_recipe.png)

As a question: `python -m queries schedule stream=guide_schedules on_test=true`; the rates were
chosen before, on validation images.

## Budgets

Half and twice the steps, `finetune`:

{budgets}

`ema_merge`:

{budgets, merged}

As a question: `python -m queries effect axis=budget recipes=chosen every_look=true stream=guide`.

## Width and depth

Models half as wide, of a single layer, twice as wide and twice as deep, each pretrained as the
default is, and each at its own rate; those that are larger than the default have not run yet.

{models}

With half of the steps:

{models, half the steps}

With twice the steps:

{models, twice the steps}

As a question: `python -m queries bigger stream=guide`.

## Granularity of updates

The same forty concepts and the same steps, cut into fewer or more tasks. `finetune`:

{tasks}

![Numbers of tasks](images/guide_tasks.png)

`ema_merge`:

{tasks, merged}

As a question: `python -m queries granularity method=finetune`.

## Did halving choose well?

For some methods the rates that halving left out ran at the full budget, too.

{halving}

## Going on

```
python -m schema grids/guide_orders.sql grids/guide.sql
python -m runner.sync --watch
python -m docpages.kept guide lab/catalog.duckdb
python -m docpages.guide
```

The first two in a folder of your own, until `sync` has nothing left to do; the last two in a
checkout, whenever something new has finished. Every number above is then written anew.
"""
