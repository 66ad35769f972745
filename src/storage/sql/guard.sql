-- Ends the transaction unless this writer's epoch is the current one and the batch before this one was the last.
-- json() of a text that is no JSON is an error; count(*) keeps SQLite from working it out beforehand.
SELECT iif(count(*) = 1, 1, json('x' || count(*))) AS j
FROM writer_state WHERE type_no = ?1 AND epoch = ?2 AND batch_no = ?3 - 1
