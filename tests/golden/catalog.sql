CREATE SEQUENCE trial_id START WITH 1;

CREATE SEQUENCE event START WITH 1;

CREATE TABLE pretrained_tag (
    architecture VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    preprocessing JSON DEFAULT '{}' NOT NULL,
    PRIMARY KEY (architecture, tag),
    CONSTRAINT pretrained_tag_preprocessing CHECK (json_type(preprocessing) = 'OBJECT')
);

COMMENT ON TABLE pretrained_tag IS 'A pretrained tag of open_clip whose images are prepared otherwise than those of OpenAI''s CLIP. The rows are written from open_clip (schema/rows/pretrained_tags.sql) and compared with it by a test. A trial that begins with what another has deployed needs them: its row names no tag.';

COMMENT ON COLUMN pretrained_tag.architecture IS 'a model name of open_clip';

COMMENT ON COLUMN pretrained_tag.tag IS 'a tag of its pretrained weights';

COMMENT ON COLUMN pretrained_tag.preprocessing IS 'the keys of backbone.preprocessing that differ';

CREATE TABLE backbone (
    name VARCHAR NOT NULL,
    architecture VARCHAR NOT NULL,
    pretrained VARCHAR,
    preprocessing JSON DEFAULT '{}' NOT NULL,
    pretrained_with JSON DEFAULT '{}' NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT backbone_preprocessing CHECK (json_type(preprocessing) = 'OBJECT'),
    CONSTRAINT backbone_pretrained_with CHECK (json_type(pretrained_with) = 'OBJECT')
);

COMMENT ON TABLE backbone IS 'The CLIP that a trial begins with.';

COMMENT ON COLUMN backbone.name IS 'the word a trial uses';

COMMENT ON COLUMN backbone.architecture IS 'an open_clip model name; local-dir:<folder>, one that open_clip has written; or an open_clip configuration as JSON text';

COMMENT ON COLUMN backbone.pretrained IS 'NULL: random weights; an open_clip tag; the path of a file or folder of weights; trial:<id>: what that trial deployed last';

COMMENT ON COLUMN backbone.preprocessing IS 'how its images are prepared, where that is not as its tag or folder says: mean, std, interpolation, resize_mode, fill_color';

COMMENT ON COLUMN backbone.pretrained_with IS 'how its weights were pretrained, as published: optimizer and loss (softmax or sigmoid, with +captioning, +distillation or both); no part of a definition';

COMMENT ON COLUMN backbone.note IS 'for people';

CREATE TABLE dataset (
    name VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    location VARCHAR,
    params JSON DEFAULT '{}' NOT NULL,
    kind VARCHAR NOT NULL,
    classes JSON DEFAULT '[]' NOT NULL,
    templates JSON DEFAULT '[]' NOT NULL,
    license VARCHAR,
    year INTEGER,
    train_pairs BIGINT,
    test_pairs BIGINT,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT dataset_kind CHECK (kind IN ('classification', 'retrieval', 'captions')),
    CONSTRAINT dataset_params CHECK (json_type(params) = 'OBJECT'),
    CONSTRAINT dataset_classes CHECK (json_type(classes) = 'ARRAY'),
    CONSTRAINT dataset_templates CHECK (json_type(templates) = 'ARRAY')
);

COMMENT ON TABLE dataset IS 'A set of image-text pairs: where it is, how it is read, what its classes are called.';

COMMENT ON COLUMN dataset.name IS 'the word streams, suites and mixtures use';

COMMENT ON COLUMN dataset.format IS 'the file in streams/formats/ that reads it';

COMMENT ON COLUMN dataset.location IS 'path or URL, as the format reads it; relative paths start at the data folder';

COMMENT ON COLUMN dataset.params IS 'what the format needs to know; its dataclass fields are the keys';

COMMENT ON COLUMN dataset.kind IS 'classification, retrieval or captions: which evaluations apply';

COMMENT ON COLUMN dataset.classes IS 'class names, a JSON list; labels index into it';

COMMENT ON COLUMN dataset.templates IS 'prompts with {} for the class name, a JSON list; several are ensembled';

COMMENT ON COLUMN dataset.license IS 'as its owners state it';

COMMENT ON COLUMN dataset.year IS 'year of release';

COMMENT ON COLUMN dataset.train_pairs IS 'pairs to learn from';

COMMENT ON COLUMN dataset.test_pairs IS 'pairs to measure on';

COMMENT ON COLUMN dataset.note IS 'for people';

CREATE TABLE sequence (
    name VARCHAR NOT NULL,
    ordering VARCHAR NOT NULL,
    seed BIGINT DEFAULT 0 NOT NULL,
    source VARCHAR,
    scores JSON DEFAULT '[]' NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT sequence_scores CHECK (json_type(scores) = 'ARRAY')
);

COMMENT ON TABLE sequence IS 'An order in which concepts arrive.';

COMMENT ON COLUMN sequence.name IS 'the word a stream uses';

COMMENT ON COLUMN sequence.ordering IS 'how the order came about: random, time, similarity, ...';

COMMENT ON COLUMN sequence.seed IS 'seed of the ordering';

COMMENT ON COLUMN sequence.source IS 'file or query it came from';

COMMENT ON COLUMN sequence.scores IS 'the numbers that the order came from, a JSON list by position; empty: not known';

COMMENT ON COLUMN sequence.note IS 'for people';

CREATE TABLE sequence_concept (
    sequence VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    dataset VARCHAR NOT NULL,
    concept VARCHAR NOT NULL,
    PRIMARY KEY (sequence, position),
    CONSTRAINT sequence_concept_position CHECK (position >= 1),
    FOREIGN KEY(sequence) REFERENCES sequence (name),
    FOREIGN KEY(dataset) REFERENCES dataset (name)
);

COMMENT ON TABLE sequence_concept IS 'One concept of a sequence: the unit that tasks are cut from.';

COMMENT ON COLUMN sequence_concept.sequence IS 'the sequence';

COMMENT ON COLUMN sequence_concept.position IS 'place in the order, from 1';

COMMENT ON COLUMN sequence_concept.dataset IS 'where the concept''s pairs are';

COMMENT ON COLUMN sequence_concept.concept IS 'a class of the dataset';

CREATE TABLE suite (
    name VARCHAR NOT NULL,
    subset DOUBLE PRECISION DEFAULT 1 NOT NULL,
    note VARCHAR,
    items BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (name),
    CONSTRAINT suite_subset CHECK (subset > 0 AND subset <= 1)
);

COMMENT ON TABLE suite IS 'A set of datasets that is measured after every task.';

COMMENT ON COLUMN suite.name IS 'the word a stream uses';

COMMENT ON COLUMN suite.subset IS 'share of each test set (at least 300 images, 2 of a class) that is measured between the first and the last task; 1: all of it';

COMMENT ON COLUMN suite.note IS 'for people';

COMMENT ON COLUMN suite.items IS 'whether it is kept which test items were right, too: in a file beside the results of each task, which questions read where it lies';

CREATE TABLE suite_member (
    suite VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    weight DOUBLE PRECISION DEFAULT 1 NOT NULL,
    label_space VARCHAR DEFAULT 'all' NOT NULL,
    PRIMARY KEY (suite, dataset, metric, label_space),
    CONSTRAINT suite_member_role CHECK (role IN ('adapt', 'retain', 'probe')),
    CONSTRAINT suite_member_label_space CHECK (label_space IN ('task', 'union', 'all')),
    CONSTRAINT suite_member_weight CHECK (weight > 0),
    FOREIGN KEY(suite) REFERENCES suite (name),
    FOREIGN KEY(dataset) REFERENCES dataset (name)
);

COMMENT ON TABLE suite_member IS 'One dataset of a suite and the role its value plays.';

COMMENT ON COLUMN suite_member.suite IS 'the suite';

COMMENT ON COLUMN suite_member.dataset IS 'what is measured on';

COMMENT ON COLUMN suite_member.role IS 'adapt: knowledge accumulation; retain: zero-shot retention; probe: neither';

COMMENT ON COLUMN suite_member.metric IS 'the metric that counts for this dataset, as evals/ names it';

COMMENT ON COLUMN suite_member.weight IS 'share in the mean of its role, relative to the others';

COMMENT ON COLUMN suite_member.label_space IS 'candidates at test time: task, union of all datasets, or all classes of the dataset';

CREATE TABLE stream (
    name VARCHAR NOT NULL,
    sequence VARCHAR NOT NULL,
    tasks INTEGER NOT NULL,
    suite VARCHAR NOT NULL,
    note VARCHAR,
    validation VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT stream_tasks CHECK (tasks >= 1),
    FOREIGN KEY(sequence) REFERENCES sequence (name),
    FOREIGN KEY(suite) REFERENCES suite (name)
);

COMMENT ON TABLE stream IS 'A sequence cut into tasks, and the suite that watches it.';

COMMENT ON COLUMN stream.name IS 'the word a trial uses';

COMMENT ON COLUMN stream.sequence IS 'the concepts in order';

COMMENT ON COLUMN stream.tasks IS 'number of tasks T; the first n mod T are one concept longer';

COMMENT ON COLUMN stream.suite IS 'what is measured';

COMMENT ON COLUMN stream.note IS 'for people';

COMMENT ON COLUMN stream.validation IS 'the stream on which choices for this one are made; NULL: there is none';

CREATE TABLE mixture (
    name VARCHAR NOT NULL,
    update_share DOUBLE PRECISION NOT NULL,
    buffer_share DOUBLE PRECISION NOT NULL,
    pretraining_share DOUBLE PRECISION NOT NULL,
    pretraining_dataset VARCHAR,
    buffer_pairs BIGINT,
    buffer_policy VARCHAR,
    selection VARCHAR DEFAULT 'none' NOT NULL,
    selection_params JSON DEFAULT '{}' NOT NULL,
    mixing VARCHAR,
    mixing_params JSON DEFAULT '{}' NOT NULL,
    held_out_share DOUBLE PRECISION DEFAULT 0 NOT NULL,
    buffer_dataset VARCHAR,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT mixture_shares CHECK (update_share >= 0 AND buffer_share >= 0 AND pretraining_share >= 0 AND abs(update_share + buffer_share + pretraining_share - 1) < 1e-9),
    CONSTRAINT mixture_update CHECK (update_share > 0),
    CONSTRAINT mixture_pretraining CHECK (pretraining_share = 0 OR pretraining_dataset IS NOT NULL),
    CONSTRAINT mixture_buffer_pairs CHECK (buffer_pairs IS NULL OR buffer_pairs > 0),
    CONSTRAINT mixture_buffer_policy CHECK (buffer_policy IS NULL OR (buffer_pairs IS NOT NULL AND buffer_share > 0)),
    CONSTRAINT mixture_buffer_dataset CHECK (buffer_dataset IS NULL OR (buffer_share > 0 AND buffer_pairs IS NULL)),
    CONSTRAINT mixture_held_out_share CHECK (held_out_share >= 0 AND held_out_share < 1),
    CONSTRAINT mixture_selection_params CHECK (json_type(selection_params) = 'OBJECT'),
    CONSTRAINT mixture_mixing_params CHECK (json_type(mixing_params) = 'OBJECT'),
    FOREIGN KEY(pretraining_dataset) REFERENCES dataset (name),
    FOREIGN KEY(buffer_dataset) REFERENCES dataset (name)
);

COMMENT ON TABLE mixture IS 'The sources of a training batch, and their shares.';

COMMENT ON COLUMN mixture.name IS 'the word a trial uses';

COMMENT ON COLUMN mixture.update_share IS 'share of a batch that are the task''s own pairs';

COMMENT ON COLUMN mixture.buffer_share IS 'share of a batch that are pairs of earlier tasks; in the first task it goes to the other two';

COMMENT ON COLUMN mixture.pretraining_share IS 'share of a batch that are pairs of the pretraining pool';

COMMENT ON COLUMN mixture.pretraining_dataset IS 'the pretraining pool';

COMMENT ON COLUMN mixture.buffer_pairs IS 'size of the buffer; NULL: unlimited';

COMMENT ON COLUMN mixture.buffer_policy IS 'what a bounded buffer keeps: a function of streams/buffers.py; NULL: a new choice among all earlier pairs for each task';

COMMENT ON COLUMN mixture.selection IS 'how pairs are chosen among candidates';

COMMENT ON COLUMN mixture.selection_params IS 'hyperparameters of the selection; its dataclass fields are the keys';

COMMENT ON COLUMN mixture.mixing IS 'who says the shares of each segment of a task: a file in methods/mixing/; NULL: a task is one segment, of the shares above';

COMMENT ON COLUMN mixture.mixing_params IS 'hyperparameters of the mixing; its dataclass fields are the keys';

COMMENT ON COLUMN mixture.held_out_share IS 'share of the training pairs of each class that no step learns from, for a mixing to measure';

COMMENT ON COLUMN mixture.buffer_dataset IS 'distilled pairs that the buffer holds in place of those seen: a class for each concept; NULL: those seen';

COMMENT ON COLUMN mixture.note IS 'for people';

CREATE TABLE method (
    name VARCHAR NOT NULL,
    tuning VARCHAR DEFAULT 'full' NOT NULL,
    tuning_params JSON DEFAULT '{}' NOT NULL,
    objective VARCHAR DEFAULT 'contrastive' NOT NULL,
    objective_params JSON DEFAULT '{}' NOT NULL,
    merging VARCHAR DEFAULT 'none' NOT NULL,
    merging_params JSON DEFAULT '{}' NOT NULL,
    start VARCHAR DEFAULT 'last' NOT NULL,
    deploy VARCHAR DEFAULT 'last' NOT NULL,
    repair VARCHAR,
    repair_params JSON DEFAULT '{}' NOT NULL,
    ensemble VARCHAR,
    ensemble_params JSON DEFAULT '{}' NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT method_start CHECK ("start" IN ('last', 'merged', 'initial', 'random')),
    CONSTRAINT method_deploy CHECK (deploy IN ('last', 'merged', 'ensemble')),
    CONSTRAINT method_tuning_params CHECK (json_type(tuning_params) = 'OBJECT'),
    CONSTRAINT method_objective_params CHECK (json_type(objective_params) = 'OBJECT'),
    CONSTRAINT method_merging_params CHECK (json_type(merging_params) = 'OBJECT'),
    CONSTRAINT method_repair_params CHECK (json_type(repair_params) = 'OBJECT'),
    CONSTRAINT method_ensemble_params CHECK (json_type(ensemble_params) = 'OBJECT')
);

COMMENT ON TABLE method IS 'How a task changes the weights: parts that combine, and two rules.';

COMMENT ON COLUMN method.name IS 'the word a trial uses';

COMMENT ON COLUMN method.tuning IS 'which parameters move: a file in methods/tuning/';

COMMENT ON COLUMN method.tuning_params IS 'hyperparameters of the tuning; its dataclass fields are the keys';

COMMENT ON COLUMN method.objective IS 'what the loss asks for: a file in methods/objectives/, or several joined by + and summed';

COMMENT ON COLUMN method.objective_params IS 'hyperparameters of the objective; keyed by its name when several are joined';

COMMENT ON COLUMN method.merging IS 'how weights combine: a file in methods/merging/';

COMMENT ON COLUMN method.merging_params IS 'hyperparameters of the merging; its keyword arguments are the keys';

COMMENT ON COLUMN method.start IS 'weights the next task begins from: last, merged, initial or random';

COMMENT ON COLUMN method.deploy IS 'weights that are measured and shipped: last, merged, or several models as an ensemble';

COMMENT ON COLUMN method.repair IS 'a stage after the task: a file in methods/repair/; NULL: none';

COMMENT ON COLUMN method.repair_params IS 'hyperparameters of the repair; its dataclass fields are the keys';

COMMENT ON COLUMN method.ensemble IS 'how several models answer as one: a file in methods/ensembles/; NULL: one model';

COMMENT ON COLUMN method.ensemble_params IS 'hyperparameters of the ensemble; its dataclass fields are the keys, and members: all, ends or merged';

COMMENT ON COLUMN method.note IS 'for people';

CREATE TABLE recipe (
    name VARCHAR NOT NULL,
    optimizer VARCHAR DEFAULT 'adamw' NOT NULL,
    optimizer_params JSON DEFAULT '{}' NOT NULL,
    lr DOUBLE PRECISION NOT NULL,
    weight_decay DOUBLE PRECISION DEFAULT 0 NOT NULL,
    clip_norm DOUBLE PRECISION,
    batch_pairs INTEGER NOT NULL,
    precision VARCHAR DEFAULT 'fp32' NOT NULL,
    schedule VARCHAR DEFAULT 'cosine' NOT NULL,
    schedule_params JSON DEFAULT '{}' NOT NULL,
    augmentation_params JSON DEFAULT '{}' NOT NULL,
    compute_params JSON DEFAULT '{}' NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT recipe_lr CHECK (lr > 0),
    CONSTRAINT recipe_weight_decay CHECK (weight_decay >= 0),
    CONSTRAINT recipe_clip_norm CHECK (clip_norm IS NULL OR clip_norm > 0),
    CONSTRAINT recipe_batch_pairs CHECK (batch_pairs >= 2),
    CONSTRAINT recipe_precision CHECK ("precision" IN ('fp32', 'bf16', 'fp16')),
    CONSTRAINT recipe_optimizer_params CHECK (json_type(optimizer_params) = 'OBJECT'),
    CONSTRAINT recipe_schedule_params CHECK (json_type(schedule_params) = 'OBJECT'),
    CONSTRAINT recipe_augmentation_params CHECK (json_type(augmentation_params) = 'OBJECT'),
    CONSTRAINT recipe_compute_params CHECK (json_type(compute_params) = 'OBJECT')
);

COMMENT ON TABLE recipe IS 'How a task is optimised: optimizer, learning rate, batch, precision, schedule, images.';

COMMENT ON COLUMN recipe.name IS 'the word a trial uses';

COMMENT ON COLUMN recipe.optimizer IS 'a function of methods/optimizers.py';

COMMENT ON COLUMN recipe.optimizer_params IS 'hyperparameters of the optimizer; its keyword arguments are the keys';

COMMENT ON COLUMN recipe.lr IS 'peak learning rate';

COMMENT ON COLUMN recipe.weight_decay IS 'decoupled weight decay';

COMMENT ON COLUMN recipe.clip_norm IS 'gradient norm limit; NULL: none';

COMMENT ON COLUMN recipe.batch_pairs IS 'pairs per step';

COMMENT ON COLUMN recipe.precision IS 'fp32, bf16 or fp16';

COMMENT ON COLUMN recipe.schedule IS 'a function of methods/schedules.py';

COMMENT ON COLUMN recipe.schedule_params IS 'hyperparameters of the schedule; its keyword arguments are the keys';

COMMENT ON COLUMN recipe.augmentation_params IS 'how images are changed before they are learned from; empty: not at all';

COMMENT ON COLUMN recipe.compute_params IS 'how a step is computed, where that can change a number; empty: plainly, on one device';

COMMENT ON COLUMN recipe.note IS 'for people';

CREATE TABLE budget (
    name VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    charging VARCHAR DEFAULT 'once' NOT NULL,
    costs VARCHAR DEFAULT 'counted' NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name),
    CONSTRAINT budget_unit CHECK (unit IN ('maf_gflops', 'gflops', 'steps', 'pairs')),
    CONSTRAINT budget_charging CHECK (charging IN ('once', 'per_step')),
    CONSTRAINT budget_costs CHECK (costs IN ('counted', 'published')),
    CONSTRAINT budget_costs_unit CHECK (costs = 'counted' OR unit IN ('maf_gflops', 'gflops')),
    CONSTRAINT budget_total CHECK (total > 0)
);

COMMENT ON TABLE budget IS 'The most a trial may spend over the whole stream; the steps of a task are derived from it.';

COMMENT ON COLUMN budget.name IS 'the word a trial uses';

COMMENT ON COLUMN budget.unit IS 'maf_gflops (memory-adjusted), gflops, steps or pairs';

COMMENT ON COLUMN budget.total IS 'how much of that unit, over all tasks together';

COMMENT ON COLUMN budget.charging IS 'once: one-off phases are charged when they run; per_step: at every step, as in FoMo-in-Flux''s table';

COMMENT ON COLUMN budget.costs IS 'what a step is said to cost: counted, on tensors without contents; published, as the view published_cost has it';

COMMENT ON COLUMN budget.note IS 'for people';

CREATE TABLE trial (
    id BIGINT DEFAULT nextval('trial_id') NOT NULL,
    backbone VARCHAR NOT NULL,
    stream VARCHAR NOT NULL,
    mixture VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    recipe VARCHAR NOT NULL,
    budget VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    priority INTEGER DEFAULT 0 NOT NULL,
    study VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    rule VARCHAR,
    source VARCHAR,
    PRIMARY KEY (backbone, stream, mixture, method, recipe, budget, seed),
    CONSTRAINT trial_seed CHECK (seed >= 0),
    CONSTRAINT trial_source CHECK (COALESCE(ends_with(method, '@' || source), NOT contains(method, '@'))),
    FOREIGN KEY(backbone) REFERENCES backbone (name),
    FOREIGN KEY(stream) REFERENCES stream (name),
    FOREIGN KEY(mixture) REFERENCES mixture (name),
    FOREIGN KEY(method) REFERENCES method (name),
    FOREIGN KEY(recipe) REFERENCES recipe (name),
    FOREIGN KEY(budget) REFERENCES budget (name)
);

COMMENT ON TABLE trial IS 'A sentence, the unit of work: a backbone learns a stream, drawn in a mixture, by a method, following a recipe, within a budget, from a seed.';

COMMENT ON COLUMN trial.id IS 'number of the trial for people and folders; carries no key';

COMMENT ON COLUMN trial.backbone IS 'a backbone';

COMMENT ON COLUMN trial.stream IS 'learns a stream';

COMMENT ON COLUMN trial.mixture IS 'drawn in a mixture';

COMMENT ON COLUMN trial.method IS 'by a method';

COMMENT ON COLUMN trial.recipe IS 'following a recipe';

COMMENT ON COLUMN trial.budget IS 'within a budget';

COMMENT ON COLUMN trial.seed IS 'from a seed';

COMMENT ON COLUMN trial.priority IS 'higher runs first';

COMMENT ON COLUMN trial.study IS 'the name of the question that the trial was inserted for';

COMMENT ON COLUMN trial.created_at IS 'when the row was inserted';

COMMENT ON COLUMN trial.rule IS 'the rule that inserted it; NULL: a person did';

COMMENT ON COLUMN trial.source IS 'who ran it elsewhere: its results were imported, and sync never starts it; NULL: Weir runs it';

CREATE TABLE measurement (
    trial BIGINT NOT NULL,
    suite VARCHAR NOT NULL,
    tasks VARCHAR DEFAULT 'last' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial, suite, tasks),
    CONSTRAINT measurement_tasks CHECK (tasks IN ('last', 'all')),
    CONSTRAINT measurement_trial CHECK (trial > 0),
    FOREIGN KEY(suite) REFERENCES suite (name)
);

COMMENT ON TABLE measurement IS 'A suite on which what a trial deployed is measured later, without training.';

COMMENT ON COLUMN measurement.trial IS 'the trial''s id';

COMMENT ON COLUMN measurement.suite IS 'what it is measured on';

COMMENT ON COLUMN measurement.tasks IS 'last: the untouched backbone and what the last task deployed; all: every task whose weights are there';

COMMENT ON COLUMN measurement.created_at IS 'when the row was inserted';

CREATE TABLE request (
    trial BIGINT DEFAULT 0 NOT NULL,
    wish VARCHAR NOT NULL,
    reason VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    serial BIGINT DEFAULT nextval('event') NOT NULL,
    rule VARCHAR,
    suite VARCHAR,
    CONSTRAINT request_wish CHECK (wish IN ('withdraw', 'retry', 'retrain')),
    CONSTRAINT request_about CHECK ((trial > 0) != (rule IS NOT NULL)),
    CONSTRAINT request_suite CHECK (suite IS NULL OR trial > 0),
    CONSTRAINT request_retrain CHECK (wish != 'retrain' OR (trial > 0 AND suite IS NULL))
);

COMMENT ON TABLE request IS 'A wish about a trial, a measurement or a rule; of several the one that was inserted last counts.';

COMMENT ON COLUMN request.trial IS 'the trial''s id; 0: the wish is about a rule';

COMMENT ON COLUMN request.wish IS 'withdraw: end it; retry: grant it new attempts, or let the rule go on; retrain: train a trial again that is done and whose weights are gone';

COMMENT ON COLUMN request.reason IS 'for people';

COMMENT ON COLUMN request.created_at IS 'when the row was inserted';

COMMENT ON COLUMN request.serial IS 'place in the order of wishes and attempts, whatever clocks say';

COMMENT ON COLUMN request.rule IS 'the rule; NULL: the wish is about a trial';

COMMENT ON COLUMN request.suite IS 'the suite, where the wish is about that measurement of the trial alone; NULL: about all of the trial';

CREATE TABLE study (
    name VARCHAR NOT NULL,
    hypothesis VARCHAR,
    declared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (name)
);

COMMENT ON TABLE study IS 'A question that trials are inserted for, and what somebody expects as its answer.';

COMMENT ON COLUMN study.name IS 'as in trial.study';

COMMENT ON COLUMN study.hypothesis IS 'what is expected, in words';

COMMENT ON COLUMN study.declared_at IS 'when that was declared';

CREATE TABLE rule (
    name VARCHAR NOT NULL,
    query VARCHAR NOT NULL,
    most_trials BIGINT NOT NULL,
    note VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (name),
    CONSTRAINT rule_most_trials CHECK (most_trials >= 1)
);

COMMENT ON TABLE rule IS 'A standing grid: every pass of sync inserts the trials that its SELECT returns and the catalog lacks.';

COMMENT ON COLUMN rule.name IS 'what trial.rule and request.rule call it';

COMMENT ON COLUMN rule.query IS 'one SELECT over the catalog. It returns the seven words of trials, and their priority and study where it likes; or trial, wish and reason, where wish is withdraw';

COMMENT ON COLUMN rule.most_trials IS 'how many trials it may add in all';

COMMENT ON COLUMN rule.note IS 'for people';

COMMENT ON COLUMN rule.created_at IS 'when the row was inserted';

CREATE TABLE tag (
    trial BIGINT DEFAULT 0 NOT NULL,
    study VARCHAR DEFAULT '' NOT NULL,
    tag VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial, study, tag),
    CONSTRAINT tag_about CHECK ((trial > 0) != (study <> '')),
    CONSTRAINT tag_word CHECK (tag <> '' AND NOT contains(tag, ',') AND trim(tag) = tag)
);

COMMENT ON TABLE tag IS 'A word that somebody put on a trial or a study. DELETE takes it off again.';

COMMENT ON COLUMN tag.trial IS 'the trial''s id; 0: it is about a study';

COMMENT ON COLUMN tag.study IS 'as in trial.study; '''': it is about a trial';

COMMENT ON COLUMN tag.tag IS 'the word';

COMMENT ON COLUMN tag.created_at IS 'when the row was inserted';

CREATE TABLE remark (
    trial BIGINT DEFAULT 0 NOT NULL,
    study VARCHAR DEFAULT '' NOT NULL,
    remark VARCHAR NOT NULL,
    author VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT remark_about CHECK ((trial > 0) != (study <> '')),
    CONSTRAINT remark_text CHECK (trim(remark) <> '')
);

COMMENT ON TABLE remark IS 'A sentence that somebody wrote about a trial or a study.';

COMMENT ON COLUMN remark.trial IS 'the trial''s id; 0: it is about a study';

COMMENT ON COLUMN remark.study IS 'as in trial.study; '''': it is about a trial';

COMMENT ON COLUMN remark.remark IS 'what they wrote';

COMMENT ON COLUMN remark.author IS 'who wrote it';

COMMENT ON COLUMN remark.created_at IS 'when the row was inserted';

CREATE TABLE attempt (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    spec JSON USING COMPRESSION zstd NOT NULL,
    spec_id VARCHAR NOT NULL,
    batch VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    code VARCHAR DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    serial BIGINT DEFAULT nextval('event') NOT NULL,
    measures VARCHAR,
    retrains INTEGER,
    origin VARCHAR,
    PRIMARY KEY (trial, attempt)
);

COMMENT ON TABLE attempt IS 'One try at a trial. A run folder belongs to one attempt.';

COMMENT ON COLUMN attempt.trial IS 'the trial''s id';

COMMENT ON COLUMN attempt.attempt IS 'counts from 1';

COMMENT ON COLUMN attempt.spec IS 'the resolved definition it runs';

COMMENT ON COLUMN attempt.spec_id IS '128 bits of sha256 over the whole resolved definition, 32 hex digits';

COMMENT ON COLUMN attempt.batch IS 'the unique name of the submission that it is part of';

COMMENT ON COLUMN attempt.position IS 'its index in the submission';

COMMENT ON COLUMN attempt.code IS 'the name of the code snapshot that it runs';

COMMENT ON COLUMN attempt.created_at IS 'when the row was inserted';

COMMENT ON COLUMN attempt.serial IS 'place in the order of wishes and attempts, whatever clocks say';

COMMENT ON COLUMN attempt.measures IS 'the suite that it measures, without training; NULL: it trains';

COMMENT ON COLUMN attempt.retrains IS 'the number of the first attempt at training the trial again, for weights that are gone: this one, or the one that it goes on from; NULL: it is no such attempt';

COMMENT ON COLUMN attempt.origin IS 'the run folder of another lab that it was adopted from; NULL: it was made here';

CREATE TABLE submission (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    backend VARCHAR NOT NULL,
    job_id VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,
    gpus INTEGER DEFAULT 0 NOT NULL,
    submitted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial, attempt)
);

COMMENT ON TABLE submission IS 'The fact that a backend accepted an attempt.';

COMMENT ON COLUMN submission.trial IS 'the trial''s id';

COMMENT ON COLUMN submission.attempt IS 'the attempt';

COMMENT ON COLUMN submission.backend IS 'which backend: local, slurm, ...';

COMMENT ON COLUMN submission.job_id IS 'what the backend calls it';

COMMENT ON COLUMN submission.folder IS 'its run folder';

COMMENT ON COLUMN submission.gpus IS 'number of GPUs of its job';

COMMENT ON COLUMN submission.submitted_at IS 'when it was accepted';

CREATE TABLE outcome (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    kind VARCHAR,
    message VARCHAR,
    log_tail VARCHAR,
    host VARCHAR,
    device VARCHAR,
    versions JSON,
    commit VARCHAR,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (trial, attempt),
    CONSTRAINT outcome_state CHECK (state IN ('done', 'failed', 'lost', 'refused', 'cancelled')),
    CONSTRAINT outcome_kind CHECK (kind IN ('oom_gpu', 'oom_host', 'timeout', 'preempted', 'node_fail', 'killed', 'diverged', 'error', 'no_result', 'submit', 'code_drift', 'disk_full'))
);

COMMENT ON TABLE outcome IS 'How an attempt ended.';

COMMENT ON COLUMN outcome.trial IS 'the trial''s id';

COMMENT ON COLUMN outcome.attempt IS 'the attempt';

COMMENT ON COLUMN outcome.state IS 'done, failed, lost, refused or cancelled';

COMMENT ON COLUMN outcome.kind IS 'why, when it is not done: oom_gpu, timeout, preempted, killed, diverged, error, ...';

COMMENT ON COLUMN outcome.message IS 'one line for people';

COMMENT ON COLUMN outcome.log_tail IS 'the last lines of the log';

COMMENT ON COLUMN outcome.host IS 'the machine on which it ran';

COMMENT ON COLUMN outcome.device IS 'the device on which it ran';

COMMENT ON COLUMN outcome.versions IS 'versions of python, torch, open_clip, ...';

COMMENT ON COLUMN outcome.commit IS 'the commit of the code that ran';

COMMENT ON COLUMN outcome.started_at IS 'when the worker began';

COMMENT ON COLUMN outcome.finished_at IS 'when it ended, or was found ended';

CREATE TABLE result (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    task INTEGER NOT NULL,
    step INTEGER NOT NULL,
    dataset VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    label_space VARCHAR NOT NULL,
    weights VARCHAR NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    examples BIGINT NOT NULL,
    fraction DOUBLE PRECISION NOT NULL
);

COMMENT ON TABLE result IS 'One measured value. task = 0 is the untouched backbone.';

COMMENT ON COLUMN result.trial IS 'the trial''s id';

COMMENT ON COLUMN result.attempt IS 'the attempt that measured it';

COMMENT ON COLUMN result.task IS 'tasks learned so far; 0: the untouched backbone';

COMMENT ON COLUMN result.step IS 'steps of this task done';

COMMENT ON COLUMN result.dataset IS 'the dataset it was measured on';

COMMENT ON COLUMN result.metric IS 'the metric, as evals/ names it';

COMMENT ON COLUMN result.label_space IS 'task, union or all';

COMMENT ON COLUMN result.weights IS 'which weights: deployed, last or merged';

COMMENT ON COLUMN result.value IS 'a fraction in [0, 1]';

COMMENT ON COLUMN result.examples IS 'number of images measured';

COMMENT ON COLUMN result.fraction IS 'share of the test set that was measured';

CREATE TABLE cost (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    task INTEGER NOT NULL,
    phase VARCHAR NOT NULL,
    flops DOUBLE PRECISION NOT NULL,
    peak_bytes BIGINT,
    seconds DOUBLE PRECISION NOT NULL,
    steps BIGINT NOT NULL,
    pairs BIGINT NOT NULL,
    energy_j DOUBLE PRECISION,
    shared BOOLEAN DEFAULT false NOT NULL
);

COMMENT ON TABLE cost IS 'The cost of a phase of a task.';

COMMENT ON COLUMN cost.trial IS 'the trial''s id';

COMMENT ON COLUMN cost.attempt IS 'the attempt that finished the task';

COMMENT ON COLUMN cost.task IS 'the task';

COMMENT ON COLUMN cost.phase IS 'train, objective, merge, evaluate, ...';

COMMENT ON COLUMN cost.flops IS 'floating-point operations, counted';

COMMENT ON COLUMN cost.peak_bytes IS 'peak memory of the device; NULL: not measured';

COMMENT ON COLUMN cost.seconds IS 'wall time';

COMMENT ON COLUMN cost.steps IS 'optimizer steps';

COMMENT ON COLUMN cost.pairs IS 'pairs seen';

COMMENT ON COLUMN cost.energy_j IS 'energy of the whole GPU, whoever shared it; NULL: the machine cannot tell';

COMMENT ON COLUMN cost.shared IS 'taken over from another trial that trained the same; charged in full all the same';

CREATE TABLE progress (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    task INTEGER NOT NULL,
    step INTEGER NOT NULL,
    loss DOUBLE PRECISION NOT NULL,
    lr DOUBLE PRECISION NOT NULL,
    pairs_per_s DOUBLE PRECISION NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE NOT NULL
);

COMMENT ON TABLE progress IS 'A point of a training curve, which is thinned.';

COMMENT ON COLUMN progress.trial IS 'the trial''s id';

COMMENT ON COLUMN progress.attempt IS 'the attempt';

COMMENT ON COLUMN progress.task IS 'the task';

COMMENT ON COLUMN progress.step IS 'steps of this task done';

COMMENT ON COLUMN progress.loss IS 'loss of that step';

COMMENT ON COLUMN progress.lr IS 'learning rate of that step';

COMMENT ON COLUMN progress.pairs_per_s IS 'pairs per second since the point before';

COMMENT ON COLUMN progress.written_at IS 'when the point was written';

CREATE TABLE statistic (
    trial BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    task INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    value DOUBLE PRECISION NOT NULL
);

COMMENT ON TABLE statistic IS 'A number about the weights or embeddings after a task.';

COMMENT ON COLUMN statistic.trial IS 'the trial''s id';

COMMENT ON COLUMN statistic.attempt IS 'the attempt';

COMMENT ON COLUMN statistic.task IS 'the task';

COMMENT ON COLUMN statistic.name IS 'which statistic: drift_l2, modality_gap, ...';

COMMENT ON COLUMN statistic.part IS 'the part of the model it is about: all, image, text';

COMMENT ON COLUMN statistic.value IS 'in the statistic''s own unit';

CREATE TABLE profile (
    backbone VARCHAR NOT NULL,
    mixture VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    recipe VARCHAR NOT NULL,
    phase VARCHAR NOT NULL,
    flops DOUBLE PRECISION NOT NULL,
    peak_bytes BIGINT,
    PRIMARY KEY (backbone, mixture, method, recipe, phase)
);

COMMENT ON TABLE profile IS 'FLOPs and peak memory of one step, measured once per combination of words.';

COMMENT ON COLUMN profile.backbone IS 'a backbone';

COMMENT ON COLUMN profile.mixture IS 'a mixture; '''': measured before mixtures were told apart, and used for no trial';

COMMENT ON COLUMN profile.method IS 'a method';

COMMENT ON COLUMN profile.recipe IS 'a recipe';

COMMENT ON COLUMN profile.phase IS 'train, objective, merge, ...';

COMMENT ON COLUMN profile.flops IS 'floating-point operations of one step';

COMMENT ON COLUMN profile.peak_bytes IS 'peak memory of one step; NULL: not measured';

CREATE TABLE reference_result (
    source VARCHAR NOT NULL,
    setting VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    provenance VARCHAR NOT NULL,
    url VARCHAR,
    PRIMARY KEY (source, setting, metric),
    CONSTRAINT reference_result_provenance CHECK (provenance IN ('seen', 'compared', 'told', 'derived', 'unverified'))
);

COMMENT ON TABLE reference_result IS 'A published number.';

COMMENT ON COLUMN reference_result.source IS 'where it was read: paper, table or file';

COMMENT ON COLUMN reference_result.setting IS 'backbone, stream, method and budget, as the source names them';

COMMENT ON COLUMN reference_result.metric IS 'as our views name it';

COMMENT ON COLUMN reference_result.value IS 'a fraction in [0, 1] for accuracies';

COMMENT ON COLUMN reference_result.provenance IS 'seen: read in a text of the authors of what was measured; compared: read in another paper''s comparison; told: at least two texts about the paper agree; derived: computed from what was read; unverified: no comparison uses it without saying so';

COMMENT ON COLUMN reference_result.url IS 'where the source is';

CREATE TABLE ingested (
    receipt VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    ingested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (receipt)
);

COMMENT ON TABLE ingested IS 'A receipt whose files are in the catalog; by its key each is ingested exactly once.';

COMMENT ON COLUMN ingested.receipt IS 'path of the receipt below the run folder';

COMMENT ON COLUMN ingested.sha256 IS 'checksum of the receipt';

COMMENT ON COLUMN ingested.rows IS 'number of rows that its files brought';

COMMENT ON COLUMN ingested.ingested_at IS 'when it was ingested';

CREATE TABLE imported (
    trial BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    folder VARCHAR NOT NULL,
    imported_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial)
);

COMMENT ON TABLE imported IS 'A trial that was run elsewhere, and the file from which its results were taken.';

COMMENT ON COLUMN imported.trial IS 'the trial''s id';

COMMENT ON COLUMN imported.source IS 'who ran it, as in trial.source';

COMMENT ON COLUMN imported.file IS 'the name of the file that was imported';

COMMENT ON COLUMN imported.sha256 IS 'checksum of the trial''s rows in it, in whichever order';

COMMENT ON COLUMN imported.rows IS 'number of results and costs that it brought';

COMMENT ON COLUMN imported.folder IS 'where the rows are kept, below `imports` of site.toml';

COMMENT ON COLUMN imported.imported_at IS 'when it was imported';

CREATE TABLE policy (
    name VARCHAR NOT NULL,
    value INTEGER NOT NULL,
    note VARCHAR,
    PRIMARY KEY (name)
);

COMMENT ON TABLE policy IS 'A knob of what sync does by itself and when it waits for a person.';

COMMENT ON COLUMN policy.name IS 'which knob: retries_<kind>, same_errors, share_trunks';

COMMENT ON COLUMN policy.value IS 'its value';

COMMENT ON COLUMN policy.note IS 'for people';

CREATE TABLE problem (
    subject VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (subject, message)
);

COMMENT ON TABLE problem IS 'A thing that sync could not trust or reach in its last pass.';

COMMENT ON COLUMN problem.subject IS 'what it is about: squeue, sacct, a submission, a receipt, trial 42';

COMMENT ON COLUMN problem.message IS 'what is wrong';

COMMENT ON COLUMN problem.since IS 'when it was first seen';

CREATE TABLE disk_use (
    study VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    spare_bytes BIGINT NOT NULL,
    files BIGINT NOT NULL,
    measured_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    removed_bytes BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (study, kind)
);

COMMENT ON TABLE disk_use IS 'The bytes of the lab''s files by study and kind, as sync measured them last.';

COMMENT ON COLUMN disk_use.study IS 'a study; '''': trials of no study, or files that are no trial''s';

COMMENT ON COLUMN disk_use.kind IS 'checkpoints, weights, results, logs, other, set_aside, submissions, store, code, snapshots, tensors or catalog';

COMMENT ON COLUMN disk_use.bytes IS 'what these files take';

COMMENT ON COLUMN disk_use.spare_bytes IS 'how much of it goes where disk_gb is exceeded';

COMMENT ON COLUMN disk_use.files IS 'how many files they are';

COMMENT ON COLUMN disk_use.measured_at IS 'when it was measured';

COMMENT ON COLUMN disk_use.removed_bytes IS 'how much of it sync has removed so far to keep to disk_gb';

CREATE TABLE kept_summary (
    trial BIGINT NOT NULL,
    task INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    step INTEGER NOT NULL,
    tasks INTEGER,
    a_ka DOUBLE PRECISION,
    a_zs DOUBLE PRECISION,
    a_ka_0 DOUBLE PRECISION,
    a_zs_0 DOUBLE PRECISION,
    adapt_measured BIGINT NOT NULL,
    adapt_wanted BIGINT NOT NULL,
    retain_measured BIGINT NOT NULL,
    retain_wanted BIGINT NOT NULL,
    spent_flops DOUBLE PRECISION,
    spent_s DOUBLE PRECISION,
    spent_steps BIGINT,
    spent_pairs BIGINT,
    within BIGINT NOT NULL,
    repeated BIGINT NOT NULL,
    seen BIGINT
);

COMMENT ON TABLE kept_summary IS 'The sums and means of a task''s results and costs, stored so that answers need not read every result. A copy: `summary` computes anew what has newer facts, and deleting the rows of `kept_until` has all of it computed anew.';

COMMENT ON COLUMN kept_summary.trial IS 'the trial''s id';

COMMENT ON COLUMN kept_summary.task IS 'tasks learned so far; 0: the untouched backbone';

COMMENT ON COLUMN kept_summary.attempt IS 'the attempt that holds';

COMMENT ON COLUMN kept_summary.step IS 'the last step at which it measured';

COMMENT ON COLUMN kept_summary.tasks IS 'tasks of the trial''s stream; NULL: the trial is gone';

COMMENT ON COLUMN kept_summary.a_ka IS 'knowledge accumulation, as in point';

COMMENT ON COLUMN kept_summary.a_zs IS 'zero-shot retention, as in point';

COMMENT ON COLUMN kept_summary.a_ka_0 IS 'a_ka of the untouched backbone';

COMMENT ON COLUMN kept_summary.a_zs_0 IS 'a_zs of the untouched backbone';

COMMENT ON COLUMN kept_summary.adapt_measured IS 'adapt members that were measured';

COMMENT ON COLUMN kept_summary.adapt_wanted IS 'adapt members of the suite';

COMMENT ON COLUMN kept_summary.retain_measured IS 'retain members that were measured';

COMMENT ON COLUMN kept_summary.retain_wanted IS 'retain members of the suite';

COMMENT ON COLUMN kept_summary.spent_flops IS 'FLOPs of everything but evaluation, summed over the tasks so far; NULL: the trial was imported without costs';

COMMENT ON COLUMN kept_summary.spent_s IS 'seconds, likewise';

COMMENT ON COLUMN kept_summary.spent_steps IS 'steps, likewise';

COMMENT ON COLUMN kept_summary.spent_pairs IS 'pairs, likewise';

COMMENT ON COLUMN kept_summary.within IS 'results of the attempt that holds from before that step';

COMMENT ON COLUMN kept_summary.repeated IS 'results of the task, of any attempt, that are there more than once';

COMMENT ON COLUMN kept_summary.seen IS 'fingerprint of the stream, as in stream_seen, when this was computed';

CREATE TABLE kept_cost (
    trial BIGINT NOT NULL,
    phase VARCHAR NOT NULL,
    flops DOUBLE PRECISION NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    peak_bytes BIGINT,
    lost_flops DOUBLE PRECISION NOT NULL,
    held_flops DOUBLE PRECISION,
    held_s DOUBLE PRECISION,
    held_peak_bytes BIGINT,
    done_flops DOUBLE PRECISION,
    done_s DOUBLE PRECISION,
    repeated BIGINT NOT NULL
);

COMMENT ON TABLE kept_cost IS 'The cost of each phase of a trial, stored so that answers need not read every cost. A copy, as `kept_summary` is: `costs` computes anew what has newer facts.';

COMMENT ON COLUMN kept_cost.trial IS 'the trial''s id';

COMMENT ON COLUMN kept_cost.phase IS 'train, objective, merge, evaluate, ...';

COMMENT ON COLUMN kept_cost.flops IS 'FLOPs of all tasks and attempts';

COMMENT ON COLUMN kept_cost.seconds IS 'seconds, likewise';

COMMENT ON COLUMN kept_cost.peak_bytes IS 'the highest peak memory of them; NULL: not measured';

COMMENT ON COLUMN kept_cost.lost_flops IS 'FLOPs of attempts that do not hold';

COMMENT ON COLUMN kept_cost.held_flops IS 'FLOPs of the attempts that hold, in all tasks; NULL: none does';

COMMENT ON COLUMN kept_cost.held_s IS 'seconds, likewise';

COMMENT ON COLUMN kept_cost.held_peak_bytes IS 'the highest peak memory of them';

COMMENT ON COLUMN kept_cost.done_flops IS 'of held_flops, what was not taken over from another trial';

COMMENT ON COLUMN kept_cost.done_s IS 'of held_s, likewise';

COMMENT ON COLUMN kept_cost.repeated IS 'costs of a task and attempt that are there more than once';

CREATE TABLE kept_until (
    fact VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    seen VARCHAR,
    PRIMARY KEY (fact)
);

COMMENT ON TABLE kept_until IS 'The facts that `kept_summary` and `kept_cost` were computed from, so that newer ones can be told.';

COMMENT ON COLUMN kept_until.fact IS 'result, cost, or stream (all streams and suites)';

COMMENT ON COLUMN kept_until.place IS 'place of the first row that is not in it';

COMMENT ON COLUMN kept_until.rows IS 'how many rows there were before that place';

COMMENT ON COLUMN kept_until.seen IS 'fingerprint of the last of them; of streams, of all; NULL: there are none';

CREATE TABLE migration (
    version INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (version)
);

COMMENT ON TABLE migration IS 'The versions this catalog has been through.';

COMMENT ON COLUMN migration.version IS 'version of the schema';

COMMENT ON COLUMN migration.name IS 'what changed';

COMMENT ON COLUMN migration.applied_at IS 'when the catalog reached it';

INSERT INTO policy (name, value, note) VALUES ('retries_killed', 3, 'workers that died'), ('retries_no_result', 3, 'attempts said to be done without results'), ('retries_submit', 10, 'attempts that never started'), ('retries_node_fail', 10, 'failed nodes'), ('retries_disk_full', 1000, 'no room for a checkpoint; tried again when there is'), ('retries_timeout', 100, 'jobs whose time was up; the next goes on from the checkpoint'), ('retries_preempted', 1000, 'as timeout'), ('share_trunks', 1, '1: what trials train in common is trained once, by one, and the others wait for it; 0: each trains all'), ('same_errors', 5, 'trials of a study that fail the same way before the rest of it waits for a person') ON CONFLICT DO NOTHING;
