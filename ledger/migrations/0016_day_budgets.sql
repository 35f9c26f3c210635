-- What agents use up a day, and how much that may be, of an owner's and of each account (rule 2.11).

create table day_budgets (
    owner text not null,
    account text not null default '',
    budget jsonb not null default '{}',
    today jsonb,
    today_is date,
    noticed date,
    constraint day_budgets_pkey primary key (owner, account),
    constraint day_budgets_owner_named check (owner <> '')
);

comment on column day_budgets.account is 'the agent''s kind and the name of its credential; empty: all that the owner''s agents use';

comment on column day_budgets.today is 'in place of the budget on the day today_is, by UTC';

comment on column day_budgets.noticed is 'the day on which people were told that it ends soon';

create table day_usage (
    directive_id uuid not null,
    task uuid not null,
    attempt integer not null,
    day date not null,
    account text not null,
    owner text not null,
    seconds double precision not null default 0,
    cost_usd double precision not null default 0,
    tokens bigint not null default 0,
    estimated_usd double precision not null default 0,
    constraint day_usage_pkey primary key (directive_id, task, attempt, day, account),
    constraint day_usage_of_attempt foreign key (directive_id, task, attempt)
        references attempts (directive_id, task, attempt)
);

comment on table day_usage is 'what an attempt has used on a day, by UTC: the sum over its days is its row in attempts';

create index day_usage_of_owner on day_usage (owner, day);

alter table attempts add column account text not null default '';

comment on column attempts.account is 'whose use its last amounts were: the agent''s kind and the name of its credential';

-- Whoever writes what an attempt has used in all writes what it has used today, so that both can't differ. What turns
-- out to be less than was taken for it is taken off today alone: the budget of a day that is over says nothing more.
create function count_by_day() returns trigger language plpgsql as $$
declare
    more_seconds double precision := new.seconds - coalesce(old.seconds, 0);
    more_usd double precision := new.cost_usd - coalesce(old.cost_usd, 0);
    more_tokens bigint := new.tokens - coalesce(old.tokens, 0);
    more_estimated double precision := case when new.cost_unknown then new.estimated_usd else 0 end
    - case when coalesce(old.cost_unknown, false) then old.estimated_usd else 0 end;
begin
    if more_seconds = 0 and more_usd = 0 and more_tokens = 0 and more_estimated = 0 then
        return null;
    end if;
    insert into day_usage as u (
        directive_id, task, attempt, day, account, owner, seconds, cost_usd, tokens, estimated_usd
    )
    select
        new.directive_id, new.task, new.attempt, (now() at time zone 'utc')::date, new.account, d.owner,
        greatest(more_seconds, 0), greatest(more_usd, 0), greatest(more_tokens, 0), greatest(more_estimated, 0)
    from directives as d where d.id = new.directive_id
    on conflict on constraint day_usage_pkey do update set
        seconds = greatest(u.seconds + more_seconds, 0), cost_usd = greatest(u.cost_usd + more_usd, 0),
        tokens = greatest(u.tokens + more_tokens, 0), estimated_usd = greatest(u.estimated_usd + more_estimated, 0);
    return null;
end
$$;

create trigger attempts_count_by_day after insert or update on attempts
    for each row execute function count_by_day();
