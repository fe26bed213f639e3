"""What the guide asks: settings that differ in one word, and the published findings on them.

A setting is six words of a trial. Those that are not named are those of `DEFAULT`, and the recipe
is the one that was chosen for the setting on validation images.
"""

from dataclasses import dataclass, field

PAPER = "https://arxiv.org/abs/2408.14471"
OVER_TIME = "https://arxiv.org/abs/2412.06712"
DEFAULT = {
    "backbone": "tiny_base",
    "stream": "guide",
    "mixture": "replay_thirds",
    "method": "finetune",
    "budget": "guide_100",
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """Settings that differ in one word, and are compared as one family.

    `axis` is that of the question `effect`, and `choices` are its values in the order of the page;
    none: every value that ran. `words` are those that differ from `DEFAULT` in all of them.
    """

    name: str
    axis: str
    choices: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A published finding as a comparison of two choices.

    It holds where `better` is decided to have more of `measure` than `worse`. With a `margin` it
    says that both are alike: it holds where the whole interval of their difference is within it.
    `source` is where it was published; None: a question of ours. `recalled` says that it is known
    from memory, and was not read in the paper or a summary of it.
    """

    claim: str
    source: str | None
    axis: str
    better: str
    worse: str
    measure: str = "gm"
    margin: float | None = None
    recalled: bool = False
    words: dict[str, str] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        """Return both choices as a family of two, whose name is the claim."""
        choices = (self.better, self.worse)
        return Family(name=self.claim, axis=self.axis, choices=choices, words=self.words)


EMA = {"method": "ema_merge"}
SCHEDULES = {"stream": "guide_schedules"}
FAMILIES = (
    Family(name="mixtures", axis="mixture"),
    Family(name="orders", axis="ordering"),
    Family(name="orders, merged", axis="ordering", words=EMA),
    Family(name="methods", axis="method"),
    Family(name="schedules", axis="recipe", words=SCHEDULES),
    Family(name="budgets", axis="budget"),
    Family(name="budgets, merged", axis="budget", words=EMA),
    Family(name="models", axis="backbone"),
    Family(name="models, half the steps", axis="backbone", words={"budget": "guide_50"}),
    Family(name="models, twice the steps", axis="backbone", words={"budget": "guide_200"}),
    Family(name="tasks", axis="tasks"),
    Family(name="tasks, merged", axis="tasks", words=EMA),
)
FINDINGS = (
    Finding(
        claim="replay of earlier tasks is better than none",
        source=PAPER,
        axis="mixture",
        better="buffer_half",
        worse="update_only",
    ),
    Finding(
        claim="replay of earlier tasks matters more than replay of pretraining pairs",
        source=PAPER,
        axis="mixture",
        better="buffer_half",
        worse="pretraining_half",
    ),
    Finding(
        claim="a third each is better than half of earlier tasks",
        source=PAPER,
        axis="mixture",
        better="replay_thirds",
        worse="buffer_half",
    ),
    Finding(
        claim="a third each is better than half of pretraining pairs",
        source=PAPER,
        axis="mixture",
        better="replay_thirds",
        worse="pretraining_half",
    ),
    Finding(
        claim="easy concepts first or hard ones first: the ends are alike",
        source=PAPER,
        recalled=True,
        axis="ordering",
        better="guide_easy_first",
        worse="guide_hard_first",
        margin=0.03,
    ),
    Finding(
        claim="shuffled concepts or one data set after the other: the ends are alike",
        source=PAPER,
        recalled=True,
        axis="ordering",
        better="world_random",
        worse="guide_set_by_set",
        margin=0.03,
    ),
    Finding(
        claim="full fine-tuning with merged weights is the better trade-off",
        source=PAPER,
        axis="method",
        better="ema_merge",
        worse="finetune",
    ),
    Finding(
        claim="low-rank tunings keep more",
        source=PAPER,
        axis="method",
        better="lora_r8",
        worse="finetune",
        measure="a_zs",
    ),
    Finding(
        claim="low-rank tunings learn less",
        source=PAPER,
        axis="method",
        better="finetune",
        worse="lora_r8",
        measure="a_ka",
    ),
    Finding(
        claim="penalties on weights keep more",
        source=PAPER,
        axis="method",
        better="guide_ewc",
        worse="finetune",
        measure="a_zs",
    ),
    Finding(
        claim="penalties on weights learn less",
        source=PAPER,
        axis="method",
        better="finetune",
        worse="guide_ewc",
        measure="a_ka",
    ),
    Finding(
        claim="tuning norms alone keeps more",
        source=PAPER,
        axis="method",
        better="lnfit",
        worse="finetune",
        measure="a_zs",
    ),
    Finding(
        claim="tuning norms alone learns less",
        source=PAPER,
        axis="method",
        better="finetune",
        worse="lnfit",
        measure="a_ka",
    ),
    Finding(
        claim="merging once at the end falls short of merging after every task",
        source=OVER_TIME,
        axis="method",
        better="ema_merge",
        worse="zs_merge_all",
    ),
    Finding(
        claim="where a task begins matters: at the merge, not at the backbone",
        source=OVER_TIME,
        axis="method",
        better="ema_merge",
        worse="zs_merge",
    ),
    Finding(
        claim="the rule of merging matters little: averaging or TIES",
        source=OVER_TIME,
        axis="method",
        better="ema_merge",
        worse="ties_ema",
        margin=0.03,
    ),
    Finding(
        claim="a peak that falls over tasks is better than the same peak for each",
        source=PAPER,
        axis="recipe",
        better="rsqrt_autoregressive",
        worse="cosine",
        words=SCHEDULES,
    ),
    Finding(
        claim="a peak that falls over tasks keeps more",
        source=PAPER,
        axis="recipe",
        better="rsqrt_autoregressive",
        worse="cosine",
        measure="a_zs",
        words=SCHEDULES,
    ),
    Finding(
        claim="twice the steps help where weights are merged",
        source=PAPER,
        axis="budget",
        better="guide_200",
        worse="guide_100",
        words=EMA,
    ),
    Finding(
        claim="twice the steps change little where weights are not merged",
        source=PAPER,
        recalled=True,
        axis="budget",
        better="guide_100",
        worse="guide_200",
        margin=0.03,
    ),
    Finding(
        claim="a wider model is better after equally many steps",
        source=PAPER,
        axis="backbone",
        better="tiny_base",
        worse="guide_narrow_base",
    ),
    Finding(
        claim="a deeper model is better after equally many steps",
        source=PAPER,
        axis="backbone",
        better="tiny_base",
        worse="guide_shallow_base",
    ),
    Finding(
        claim="few large updates are better than many small ones",
        source=None,
        axis="tasks",
        better="2",
        worse="20",
    ),
    Finding(
        claim="few large updates are better than many small ones, with merging",
        source=None,
        axis="tasks",
        better="2",
        worse="20",
        words=EMA,
    ),
)
