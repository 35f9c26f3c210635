-- What an outcome says beyond the columns of its attempt, so that the record can give the whole of it back: a run that
-- was reset asks for it before an agent would do the same work again. Null for attempts that ended before this.

alter table attempts add column further jsonb;

comment on column attempts.further is 'what else the outcome said; null: the attempt has not ended, or did so before the record kept it';
