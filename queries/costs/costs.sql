-- What did each phase of a trial cost, kept or reckoned?
-- grain: one row per (trial, phase) that was charged
-- What is kept (`kept_cost`) where nothing newer is known of the trial (`unkept`), the rest from
-- the facts (`reckoned_costs`). held_*: of the attempts that hold (`standing`); done_*: what of it
-- was not taken over from another trial; lost_flops: of attempts that do not hold.
CREATE OR REPLACE VIEW costs AS
SELECT * FROM kept_cost ANTI JOIN unkept USING (trial)
UNION ALL BY NAME
SELECT * FROM reckoned_costs();
