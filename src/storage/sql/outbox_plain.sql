-- The outbox of a batch whose touched cells are known beforehand.
UPDATE writer_state SET batch_no = ?2, batch_epoch = epoch, batch_ms = ?3, next_seq = ?4, touched = ?5 WHERE type_no = ?1
