-- What an attempt has used is written while it runs, too, as its daemon tells (rule 2.10).

alter table attempts add column turns integer not null default 0;
alter table attempts add column estimated_usd double precision not null default 0;

comment on column attempts.turns is 'of its agent''s model, where it tells of them';

comment on column attempts.estimated_usd is 'what its daemon took for the cost that nobody tells, beside cost_usd';
