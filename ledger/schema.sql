-- The record of all directives (rule 9.1). This file is the truth; ledger/migrations is the road to it, and
-- tests/integration/test_migrations.py proves that they meet. A column has the name of its model's field.

create table directives (
    id uuid constraint directives_pkey primary key,
    owner text not null,
    workflow_id text not null,
    title text not null,
    goal text not null,
    requirements text[] not null,
    acceptance text[] not null,
    constraints text[] not null,
    repository text not null,
    base_branch text not null,
    settings jsonb not null,
    status text not null,
    reason text not null,
    generation integer not null,
    planned integer not null,
    bases jsonb not null,
    given_plan jsonb not null,
    proposal jsonb,
    note text not null,
    pull_request text,
    answered jsonb not null,
    fingerprint uuid not null,
    run_id text not null,
    sequence bigint not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    shepherding jsonb not null default '{}',
    merged jsonb not null default '{}',
    authenticated boolean not null default false,
    lost text not null default '',
    budgeting jsonb not null default '{}',
    held_up jsonb not null default '{}',
    again jsonb not null default '{}',
    constraint directives_owner_named check (owner <> ''),
    constraint directives_status_known check (
        status in ('draft', 'planning', 'active', 'completing', 'idle', 'paused', 'completed', 'failed', 'archived')
    ),
    constraint directives_sequence_counts check (sequence > 0)
);

comment on column directives.run_id is 'the workflow run whose write was the last one applied';
comment on column directives.sequence is 'how many writes were applied: what the next one builds on';
comment on column directives.pull_request is 'the branch of the pull request that is the current one';
comment on column directives.answered is 'pairs of id and answer, oldest first: an object of jsonb has no order';
comment on column directives.fingerprint is 'of its memories and questions: they are written only when it differs';

comment on column directives.lost is 'how its workflow ended, where that left the directive unfinished; a write empties it';
comment on column directives.held_up is 'why tasks fail at what they try again, by the first 8 hex digits of a task''s id';
comment on column directives.again is 'when what fails, and a look at the pull request, is tried again, by the same names';

create index directives_of_owner on directives (owner, updated_at desc);

-- A table of its own: whoever may only read the record reads everything but this.
create table directive_secrets (
    directive_id uuid constraint directive_secrets_pkey primary key
        constraint directive_secrets_of_directive references directives (id),
    secret text not null,
    constraint directive_secrets_filled check (secret <> '')
);

comment on table directive_secrets is 'what the state of directives on remotes is authenticated with';

create table workflow_checks (
    single boolean default true constraint workflow_checks_pkey primary key,
    checked_at timestamptz not null,
    constraint workflow_checks_one check (single)
);

comment on table workflow_checks is 'when a worker last looked which workflows have ended before their time';

create table goal_revisions (
    directive_id uuid not null constraint goal_revisions_of_directive references directives (id),
    generation integer not null,
    at timestamptz not null,
    actor text not null,
    title text not null,
    goal text not null,
    requirements text[] not null,
    acceptance text[] not null,
    constraints text[] not null,
    constraint goal_revisions_pkey primary key (directive_id, generation, at)
);

create table steps (
    directive_id uuid not null constraint steps_of_directive references directives (id),
    id uuid not null,
    generation integer not null,
    position integer not null,
    name text not null,
    description text not null,
    task_plan text not null,
    depends_on uuid[] not null,
    order_index integer not null,
    status text not null,
    blocked_by uuid[] not null,
    removed boolean not null,
    work jsonb,
    summary text not null,
    failure jsonb,
    shipped boolean not null,
    dropped_at timestamptz,
    updated_at timestamptz not null default now(),
    label text not null,
    shipped_in integer not null default 0,
    fix jsonb,
    agent jsonb,
    constraint steps_pkey primary key (directive_id, id),
    constraint steps_status_known check (
        status in (
            'pending', 'ready', 'running', 'completed', 'failed', 'skipped', 'blocked', 'cancelled', 'merged'
        )
    )
);

comment on column steps.fix is 'what makes it one of the shepherd''s: where it starts, what it merges, whom it answers';
comment on column steps.dropped_at is 'when a snapshot no longer held it (after a reset): kept, but no part of the state';

create table tasks (
    directive_id uuid not null constraint tasks_of_directive references directives (id),
    id uuid not null,
    kind text not null,
    name text not null,
    step uuid,
    generation integer not null,
    round integer not null,
    status text not null,
    attempt integer not null,
    dispatch integer not null,
    unwanted boolean not null,
    wait_until timestamptz,
    reason text not null,
    daemon text not null,
    delivery text not null,
    earlier jsonb,
    refusals jsonb not null,
    ships uuid[] not null,
    dropped_at timestamptz,
    updated_at timestamptz not null default now(),
    usage jsonb,
    refused_until jsonb not null,
    resume jsonb,
    agents jsonb not null default '{}',
    constraint tasks_pkey primary key (directive_id, id),
    constraint tasks_of_step foreign key (directive_id, step) references steps (directive_id, id),
    constraint tasks_kind_known check (kind in ('prepare', 'planning', 'step', 'completion')),
    constraint tasks_status_known check (
        status in ('pending', 'starting', 'running', 'waiting', 'completed', 'failed', 'interrupted', 'merged')
    )
);

comment on column tasks.dropped_at is 'when a snapshot no longer held it (after a reset): kept, but no part of the state';

create table attempts (
    directive_id uuid not null,
    task uuid not null,
    attempt integer not null,
    status text,
    summary text not null default '',
    failure jsonb,
    work jsonb,
    base_commit text not null default '',
    plan jsonb,
    wait_until timestamptz,
    seconds double precision not null default 0,
    cost_usd double precision not null default 0,
    tokens bigint not null default 0,
    warnings text[] not null default '{}',
    daemon text not null default '',
    started_at timestamptz,
    ended_at timestamptz,
    further jsonb,
    cost_unknown boolean not null default false,
    agents jsonb not null default '{}',
    turns integer not null default 0,
    estimated_usd double precision not null default 0,
    saved jsonb,
    clashes jsonb not null default '[]',
    account text not null default '',
    constraint attempts_pkey primary key (directive_id, task, attempt),
    constraint attempts_of_task foreign key (directive_id, task) references tasks (directive_id, id),
    constraint attempts_status_known check (status in ('completed', 'failed', 'waiting')),
    constraint attempts_status_at_end check ((status is null) = (ended_at is null))
);

comment on column attempts.status is 'null until it first ended; `waiting` is no end: the same attempt is dispatched again';

comment on column attempts.turns is 'of its agent''s model, where it tells of them';

comment on column attempts.estimated_usd is 'what its daemon took for the cost that nobody tells, beside cost_usd';

comment on column attempts.saved is 'the last checkpoint that its daemon told of while it ran; null: none';

comment on column attempts.clashes is 'what git could not merge of it and of what ran beside it, by its daemon''s last word';
comment on column attempts.account is 'whose use its last amounts were: the agent''s kind and the name of its credential';

comment on column attempts.agents is 'agent → what it has used; empty: none has ended a turn yet, or nobody wrote it down';

comment on column attempts.further is 'what else the outcome said; null: the attempt has not ended, or did so before the record kept it';

comment on column attempts.cost_unknown is 'nobody knows what some of it cost: cost_usd is the rest';

create table deliveries (
    directive_id uuid not null,
    task uuid not null,
    attempt integer not null,
    delivery text not null,
    daemon text not null,
    at timestamptz not null,
    agent text not null default '',
    constraint deliveries_pkey primary key (directive_id, task, attempt, delivery),
    constraint deliveries_of_attempt foreign key (directive_id, task, attempt)
        references attempts (directive_id, task, attempt)
);

create table memories (
    directive_id uuid not null constraint memories_of_directive references directives (id),
    key text not null,
    value text not null,
    category text not null,
    updated_at timestamptz not null default now(),
    constraint memories_pkey primary key (directive_id, key)
);

create table questions (
    directive_id uuid not null,
    id uuid not null,
    task uuid not null,
    text text not null,
    choices text[] not null,
    context text not null,
    "default" text not null,
    deadline timestamptz,
    answer text,
    answered_by text not null,
    asked_at timestamptz not null default now(),
    dropped_at timestamptz,
    topic text not null default '',
    constraint questions_pkey primary key (directive_id, id)
);

comment on column questions.task is 'the directive where Makima itself asks';

comment on column questions.dropped_at is 'when the state no longer held it: kept, but no part of the state';

create table pull_requests (
    directive_id uuid not null constraint pull_requests_of_directive references directives (id),
    branch text not null,
    head text not null,
    base text not null,
    url text not null,
    state text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    number integer not null default 0,
    version integer not null default 1,
    constraint pull_requests_pkey primary key (directive_id, branch)
);

-- Deferred: the two tables name each other, and one write brings both rows.
alter table directives add constraint directives_pull_request foreign key (id, pull_request)
    references pull_requests (directive_id, branch) deferrable initially deferred;

-- No foreign keys: logs come over a queue of their own and may be here before the record of their task.
create table task_logs (
    task uuid not null,
    attempt integer not null,
    delivery text not null,
    first_byte bigint not null,
    directive_id uuid not null,
    text text not null,
    received_at timestamptz not null default now(),
    times jsonb not null default '[]',
    constraint task_logs_pkey primary key (task, attempt, delivery, first_byte),
    constraint task_logs_start check (first_byte >= 0)
);

comment on column task_logs.times is 'pairs of a byte and the second, by its daemon, from which on what begins there was written';

-- No foreign keys, as with logs.
create table artifacts (
    task uuid not null,
    attempt integer not null,
    name text not null,
    directive_id uuid not null,
    content text not null,
    put_at timestamptz not null default now(),
    constraint artifacts_pkey primary key (task, attempt, name)
);

create index artifacts_of_directive on artifacts (directive_id, name, put_at desc);

create table daemons (
    owner text not null,
    name text not null,
    version text not null,
    agents text[] not null,
    labels text[] not null,
    capacity integer not null,
    running uuid[] not null,
    reported_at timestamptz not null default now(),
    sandbox text not null,
    parked text[] not null,
    features text[] not null default '{}',
    constraint daemons_pkey primary key (owner, name)
);

create table events (
    number bigint generated always as identity constraint events_pkey primary key,
    directive_id uuid not null constraint events_of_directive references directives (id),
    fingerprint uuid not null,
    at timestamptz not null,
    actor text not null,
    what text not null,
    why text not null,
    step uuid,
    task uuid,
    recorded_at timestamptz not null default now(),
    constraint events_once unique (directive_id, fingerprint)
);

comment on column events.fingerprint is 'of all that the event says: a replayed run tells the same event again';

create index events_of_directive_in_order on events (directive_id, number);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
end
$$;

-- But `prune` may forget what happened to a directive that has ended; it names that one in a setting of its transaction.
create function refuse_event_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('makima.pruning', true) = old.directive_id::text and exists (
        select from directives where id = old.directive_id and status in ('completed', 'failed', 'archived')
    ) then
        return old;
    end if;
    raise exception 'events are only ever appended' using errcode = 'restrict_violation';
end
$$;

create trigger events_append_only before update or delete on events
    for each row execute function refuse_event_change();
create trigger events_never_emptied before truncate on events
    for each statement execute function refuse_change('events are only ever appended');
create trigger attempts_finished_stay before update on attempts
    for each row when (old.status in ('completed', 'failed'))
    execute function refuse_change('a finished attempt is never overwritten');

-- Which events each channel was told of, and when: the event list is the outbox of all notices.

create table notice_turns (
    owner text not null,
    channel text not null,
    kind text not null,
    since timestamptz not null default now(),
    sent_at timestamptz,
    constraint notice_turns_pkey primary key (owner, channel, kind)
);

comment on column notice_turns.channel is 'empty: all there were when channels had no names';
comment on column notice_turns.since is 'when notices were first asked for: nobody is told of what happened before';

-- No foreign key: it would keep the events from being what they are, a list that nothing else holds.
create table notices_sent (
    event bigint not null,
    channel text not null,
    at timestamptz not null default now(),
    constraint notices_sent_pkey primary key (event, channel)
);

create index events_by_time on events (recorded_at);

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
