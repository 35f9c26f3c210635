-- name: lock_directive(key)!
-- Makes the writers of one directive take turns, also before its row exists: what does not exist cannot be locked.
select pg_advisory_xact_lock(hashtextextended(:key, 0));

-- name: last_write(directive)^
-- Says what the next write has to build on.
select run_id, sequence from directives where id = :directive;

-- name: put_directive(row)!
-- Brings the directive's own row up to the write; its workflow id is fixed at its start and stays.
insert into directives (
    id, owner, workflow_id, title, goal, requirements, acceptance, constraints, repository, base_branch, settings,
    status, reason, generation, planned, bases, given_plan, pull_request, run_id, sequence
)
select
    id, owner, workflow_id, title, goal, requirements, acceptance, constraints, repository, base_branch, settings,
    status, reason, generation, planned, bases, given_plan, pull_request, run_id, sequence
from jsonb_populate_record(null::directives, :row)
on conflict (id) do update set
    (
        owner, title, goal, requirements, acceptance, constraints, repository, base_branch, settings,
        status, reason, generation, planned, bases, given_plan, pull_request, run_id, sequence, updated_at
    ) = (
        excluded.owner, excluded.title, excluded.goal, excluded.requirements, excluded.acceptance,
        excluded.constraints, excluded.repository, excluded.base_branch, excluded.settings, excluded.status,
        excluded.reason, excluded.generation, excluded.planned, excluded.bases, excluded.given_plan,
        excluded.pull_request, excluded.run_id, excluded.sequence, now()
    );

-- name: put_pull_request(directive, row)!
-- Keeps one row for each branch a pull request came from; directives.pull_request names the current one.
insert into pull_requests (directive_id, branch, head, base, url, state)
select :directive::uuid, branch, head, base, url, state from jsonb_populate_record(null::pull_requests, :row)
on conflict (directive_id, branch) do update set
    (head, base, url, state, updated_at)
    = (excluded.head, excluded.base, excluded.url, excluded.state, now());

-- name: put_steps(directive, rows)!
-- Brings any number of steps up to the write in one statement; a text that the workflow dropped to save room stays.
insert into steps (
    directive_id, id, generation, position, name, description, task_plan, depends_on, order_index, status,
    blocked_by, removed, work, summary, failure, shipped
)
select
    :directive::uuid, id, generation, position, name, description, task_plan, depends_on, order_index, status,
    blocked_by, removed, work, summary, failure, shipped
from jsonb_populate_recordset(null::steps, :rows)
on conflict (directive_id, id) do update set
    (
        generation, position, name, depends_on, order_index, status, blocked_by, removed, work, summary, failure,
        shipped, dropped_at, updated_at
    ) = (
        excluded.generation, excluded.position, excluded.name, excluded.depends_on, excluded.order_index,
        excluded.status, excluded.blocked_by, excluded.removed, excluded.work, excluded.summary, excluded.failure,
        excluded.shipped, null, now()
    ),
    description = case when excluded.task_plan = '' then steps.description else excluded.description end,
    task_plan = case when excluded.task_plan = '' then steps.task_plan else excluded.task_plan end;

-- name: drop_other_steps(directive, kept)!
-- Takes the steps that a snapshot does not hold out of the state, as after a reset; their rows are kept.
update steps set dropped_at = now()
where directive_id = :directive and dropped_at is null and id <> all (:kept::uuid[]);

-- name: put_tasks(directive, rows)!
-- Brings any number of tasks up to the write in one statement.
insert into tasks (
    directive_id, id, kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason,
    daemon, delivery, earlier, ships
)
select
    :directive::uuid, id, kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason,
    daemon, delivery, earlier, ships
from jsonb_populate_recordset(null::tasks, :rows)
on conflict (directive_id, id) do update set
    (
        kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason, daemon,
        delivery, earlier, ships, dropped_at, updated_at
    ) = (
        excluded.kind, excluded.name, excluded.step, excluded.generation, excluded.round, excluded.status,
        excluded.attempt, excluded.dispatch, excluded.unwanted, excluded.wait_until, excluded.reason,
        excluded.daemon, excluded.delivery, excluded.earlier, excluded.ships, null, now()
    );

-- name: drop_other_tasks(directive, kept)!
-- Takes the tasks that a snapshot does not hold out of the state, as after a reset; their rows are kept.
update tasks set dropped_at = now()
where directive_id = :directive and dropped_at is null and id <> all (:kept::uuid[]);

-- name: add_revisions(directive, rows)!
-- Appends the goals that were set.
insert into goal_revisions (
    directive_id, generation, at, actor, title, goal, requirements, acceptance, constraints
)
select :directive::uuid, generation, at, actor, title, goal, requirements, acceptance, constraints
from jsonb_populate_recordset(null::goal_revisions, :rows)
on conflict (directive_id, generation, at) do nothing;

-- name: open_attempts(directive, rows)!
-- Gives every delivery the attempt that it belongs to; a second delivery finds it there.
insert into attempts (directive_id, task, attempt, daemon, started_at)
select distinct on (task, attempt) :directive::uuid, task, attempt, daemon, at
from jsonb_populate_recordset(null::deliveries, :rows)
order by task, attempt, at
on conflict (directive_id, task, attempt) do nothing;

-- name: add_deliveries(directive, rows)!
-- Appends the starts of attempts on machines.
insert into deliveries (directive_id, task, attempt, delivery, daemon, at)
select :directive::uuid, task, attempt, delivery, daemon, at
from jsonb_populate_recordset(null::deliveries, :rows)
on conflict (directive_id, task, attempt, delivery) do nothing;

-- name: end_attempt(directive, row)!
-- Records how an attempt ended, once: a finished one stays as it is, one that only waited goes on.
insert into attempts (
    directive_id, task, attempt, status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd,
    tokens, warnings, daemon, ended_at
)
select
    :directive::uuid, task, attempt, status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd,
    tokens, warnings, daemon, ended_at
from jsonb_populate_record(null::attempts, :row)
on conflict (directive_id, task, attempt) do update set
    (
        status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd, tokens, warnings, daemon,
        ended_at
    ) = (
        excluded.status, excluded.summary, excluded.failure, excluded.work, excluded.base_commit, excluded.plan,
        excluded.wait_until, excluded.seconds, excluded.cost_usd, excluded.tokens, excluded.warnings,
        excluded.daemon, excluded.ended_at
    )
where attempts.status is null or attempts.status = 'waiting';

-- name: add_events(directive, rows)!
-- Appends events in the order they are given in; one that is there already, told again by a replay, is left out.
insert into events (directive_id, fingerprint, at, actor, what, why, step, task)
select :directive::uuid, fingerprint, at, actor, what, why, step, task
from rows from (jsonb_to_recordset(:rows) as (
    fingerprint uuid, at timestamptz, actor text, what text, why text, step uuid, task uuid
)) with ordinality as told (fingerprint, at, actor, what, why, step, task, place)
order by place
on conflict (directive_id, fingerprint) do nothing;

-- name: append_log(task, attempt, delivery, first_byte, directive, text)!
-- Keeps a chunk under the place where it starts, so that order and repeats do not matter.
insert into task_logs (task, attempt, delivery, first_byte, directive_id, text)
values (:task, :attempt, :delivery, :first_byte, :directive, :text)
on conflict (task, attempt, delivery, first_byte) do nothing;

-- name: report_daemon(owner, name, version, agents, labels, capacity, running)!
-- Keeps what a daemon says of itself, and when by the database's clock: machines' clocks differ.
insert into daemons (owner, name, version, agents, labels, capacity, running)
values (:owner, :name, :version, :agents, :labels, :capacity, :running)
on conflict (owner, name) do update set
    (version, agents, labels, capacity, running, reported_at)
    = (excluded.version, excluded.agents, excluded.labels, excluded.capacity, excluded.running, now());

-- name: directives_of_owner(owner)
-- Lists an owner's directives, the latest changed first, each with its steps counted by status.
select
    d.id, d.workflow_id, d.title, d.status, d.reason, d.generation, d.updated_at,
    coalesce(
        (
            select jsonb_object_agg(counted.status, counted.steps)
            from (
                select s.status, count(*) as steps from steps as s
                where s.directive_id = d.id and s.dropped_at is null
                group by s.status
            ) as counted
        ),
        '{}'
    ) as steps
from directives as d
where d.owner = :owner
order by d.updated_at desc, d.id;

-- name: directive_ids(owner, name)
-- Finds what an operator may mean: the beginning of an id, with or without dashes, or a whole workflow id.
select id from directives
where
    owner = :owner
    and (starts_with(replace(id::text, '-', ''), replace(lower(:name), '-', '')) or workflow_id = lower(:name))
order by id;

-- name: directive_row(directive)^
-- Reads a directive with its current pull request.
select d.*, to_jsonb(p) as pull_request_row
from directives as d
left join pull_requests as p on p.directive_id = d.id and p.branch = d.pull_request
where d.id = :directive;

-- name: steps_of_directive(directive)
-- Reads the steps of the state, in the order of plans.
select * from steps where directive_id = :directive and dropped_at is null
order by generation, order_index, position, id;

-- name: tasks_of_directive(directive)
-- Reads the tasks of the state.
select * from tasks where directive_id = :directive and dropped_at is null
order by generation, round, name, id;

-- name: events_of_directive(directive)
-- Reads all that happened to a directive, in order.
select at, actor, what, why, step, task from events where directive_id = :directive order by number;

-- name: latest_delivery(task)^
-- Finds whose log is the one to show; the record of a delivery may come later than its first lines.
select l.attempt, l.delivery
from (
    select directive_id, task, attempt, delivery, min(received_at) as received_at
    from task_logs where task = :task
    group by directive_id, task, attempt, delivery
) as l
left join deliveries as d using (directive_id, task, attempt, delivery)
order by l.attempt desc, coalesce(d.at, l.received_at) desc, l.delivery
limit 1;

-- name: log_chunks(task, attempt, delivery, after)
-- Reads a delivery's log from behind the chunk that was read last.
select first_byte, text from task_logs
where task = :task and attempt = :attempt and delivery = :delivery and first_byte > :after
order by first_byte;

-- name: daemons_of_owner(owner)
-- Lists an owner's daemons and how long each has been silent, by the one clock that wrote its last contact.
select name, version, agents, labels, capacity, running, reported_at, now() - reported_at as silent_for
from daemons where owner = :owner
order by name;

-- name: lock_migrations()!
-- Lets one process at a time change the schema.
select pg_advisory_lock(hashtextextended('makima migrations', 0));

-- name: unlock_migrations()!
-- Lets the next one in.
select pg_advisory_unlock(hashtextextended('makima migrations', 0));

-- name: prepare_migrations()!
-- Makes the table that remembers what was applied; it stands outside the schema that it describes.
create table if not exists schema_migrations (
    name text constraint schema_migrations_pkey primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
);

-- name: applied_migrations()
-- Reads what this database has been through.
select name, checksum from schema_migrations order by name;

-- name: remember_migration(name, checksum)!
-- Stands in the transaction of the migration itself.
insert into schema_migrations (name, checksum) values (:name, :checksum);
