-- A cost that nobody knows is not none: agents that don't tell it, whose models have no price in the settings. Of the
-- attempts that are there those count as such that have used tokens for nothing.

alter table attempts add column cost_unknown boolean not null default false;

comment on column attempts.cost_unknown is 'nobody knows what some of it cost: cost_usd is the rest';

update attempts set cost_unknown = true where cost_usd = 0 and tokens > 0;
