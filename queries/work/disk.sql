-- What takes how much of the disk, and what may go?
-- grain: one row per (study, kind) of files of the lab, the datasets left out
-- As sync measured it last, at most every ten minutes. spare_gb: goes by itself where `disk_gb` of
-- site.toml is exceeded, in the order of `goes`. removed_gb: has gone so, ever since. study: NULL
-- where the files are no study's. tensors: large ones that the weights of several trials have in
-- common, each counted once; what a trial has for itself is in its weights.
CREATE OR REPLACE VIEW disk AS
WITH
named AS (
    SELECT *, CASE kind
            WHEN 'tensors' THEN '1: what no weights name any more'
            WHEN 'checkpoints' THEN '2: of trials that are over'
            WHEN 'store' THEN '3: is made again when it is wanted'
            WHEN 'code' THEN '4: what no attempt without an end runs'
            WHEN 'set_aside' THEN 'by hand: files of an older catalog'
            WHEN 'weights' THEN 'by hand: what no trial begins from'
            WHEN 'snapshots' THEN 'no: three are kept for who reads them'
            ELSE 'no' END AS goes
    FROM disk_use
)
SELECT nullif(study, '') AS study, kind, bytes / 1e9 AS gb, spare_bytes / 1e9 AS spare_gb,
       removed_bytes / 1e9 AS removed_gb, files, goes, measured_at
FROM named
ORDER BY bytes DESC, named.study, kind;
