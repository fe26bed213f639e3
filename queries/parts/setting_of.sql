-- Which setting do the words of a rule name?
-- grain: one row per setting that `words` names, none where it is NULL
-- words: backbone,stream,mixture,recipe,budget, with commas between.
CREATE OR REPLACE MACRO setting_of(words VARCHAR := NULL) AS TABLE
SELECT word[1] AS backbone, word[2] AS stream, word[3] AS mixture, word[4] AS recipe,
       word[5] AS budget
FROM (SELECT [trim(each) FOR each IN string_split(words, ',')] AS word)
WHERE CASE WHEN words IS NULL OR len(word) = 5 THEN words IS NOT NULL
           ELSE error('words is backbone,stream,mixture,recipe,budget; not ' || words) END;
