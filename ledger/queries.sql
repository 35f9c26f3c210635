-- name: last_write(directive)^
-- Says what the next write has to build on, and which memories and questions are here.
select run_id, sequence, fingerprint from directives where id = :directive;

-- name: put_state(directive, row, pull_requests, steps, tasks)!
-- Brings a directive's own row, and any number of its pull requests, steps and tasks, up to the write; its workflow id is
-- fixed at its start and stays. One row is kept for each branch that a pull request came from; directives.pull_request
-- names the current one. Texts that the workflow dropped to save room stay, of steps and of completed tasks.
with directive as (
    insert into directives (
        id, owner, workflow_id, title, goal, requirements, acceptance, constraints, repository, base_branch, settings,
        status, reason, authenticated, generation, planned, bases, given_plan, proposal, note, pull_request, shepherding,
        merged, answered, fingerprint, run_id, sequence, budgeting
    )
    select
        id, owner, workflow_id, title, goal, requirements, acceptance, constraints, repository, base_branch, settings,
        status, reason, authenticated, generation, planned, bases, given_plan, proposal, note, pull_request, shepherding,
        merged, answered, fingerprint, run_id, sequence, budgeting
    from jsonb_populate_record(null::directives, :row)
    on conflict (id) do update set
        (
            owner, title, goal, requirements, acceptance, constraints, repository, base_branch, settings, status, reason,
            authenticated, generation, planned, bases, note, pull_request, shepherding, merged, fingerprint, run_id,
            sequence, budgeting, lost, updated_at
        ) = (
            excluded.owner, excluded.title, excluded.goal, excluded.requirements, excluded.acceptance,
            excluded.constraints, excluded.repository, excluded.base_branch, excluded.settings, excluded.status,
            excluded.reason, excluded.authenticated, excluded.generation, excluded.planned, excluded.bases, excluded.note,
            excluded.pull_request, excluded.shepherding, excluded.merged, excluded.fingerprint, excluded.run_id,
            excluded.sequence, excluded.budgeting, '', now()
        ),
        -- Large, and seldom another: the value that is here already is not stored a second time.
        given_plan = case
            when directives.given_plan = excluded.given_plan then directives.given_plan else excluded.given_plan
        end,
        proposal = case when directives.proposal = excluded.proposal then directives.proposal else excluded.proposal end,
        answered = case when directives.answered = excluded.answered then directives.answered else excluded.answered end
),

pull_request as (
    insert into pull_requests (directive_id, branch, head, base, url, state, number, version)
    select :directive::uuid, branch, head, base, url, state, number, version
    from jsonb_populate_recordset(null::pull_requests, :pull_requests)
    on conflict (directive_id, branch) do update set
        (head, base, url, state, number, version, updated_at)
        = (excluded.head, excluded.base, excluded.url, excluded.state, excluded.number, excluded.version, now())
),

step as (
    insert into steps (
        directive_id, id, generation, position, name, description, task_plan, depends_on, order_index, label, status,
        blocked_by, removed, work, summary, failure, shipped, shipped_in, fix, agent
    )
    select
        :directive::uuid, id, generation, position, name, description, task_plan, depends_on, order_index, label, status,
        blocked_by, removed, work, summary, failure, shipped, shipped_in, fix, agent
    from jsonb_populate_recordset(null::steps, :steps)
    on conflict (directive_id, id) do update set
        (
            generation, position, name, depends_on, order_index, label, status, blocked_by, removed, work, failure,
            shipped, shipped_in, fix, agent, dropped_at, updated_at
        ) = (
            excluded.generation, excluded.position, excluded.name, excluded.depends_on, excluded.order_index,
            excluded.label, excluded.status, excluded.blocked_by, excluded.removed, excluded.work, excluded.failure,
            excluded.shipped, excluded.shipped_in, excluded.fix, excluded.agent, null, now()
        ),
        description = case when excluded.task_plan = '' then steps.description else excluded.description end,
        task_plan = case when excluded.task_plan = '' then steps.task_plan else excluded.task_plan end,
        summary = case when excluded.task_plan || excluded.summary = '' then steps.summary else excluded.summary end
)

insert into tasks (
    directive_id, id, kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason,
    daemon, delivery, earlier, refusals, ships, usage, refused_until, resume, agents
)
select
    :directive::uuid, id, kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason,
    daemon, delivery, earlier, refusals, ships, usage, refused_until, resume, agents
from jsonb_populate_recordset(null::tasks, :tasks)
on conflict (directive_id, id) do update set
    (
        kind, name, step, generation, round, status, attempt, dispatch, unwanted, wait_until, reason, daemon,
        delivery, usage, refused_until, resume, agents, dropped_at, updated_at
    ) = (
        excluded.kind, excluded.name, excluded.step, excluded.generation, excluded.round, excluded.status,
        excluded.attempt, excluded.dispatch, excluded.unwanted, excluded.wait_until, excluded.reason,
        excluded.daemon, excluded.delivery, excluded.usage, excluded.refused_until, excluded.resume,
        excluded.agents, null, now()
    ),
    earlier = case
        when excluded.status in ('completed', 'merged') then coalesce(excluded.earlier, tasks.earlier) else excluded.earlier
    end,
    refusals = case
        when excluded.status in ('completed', 'merged') and excluded.refusals = '{}' then tasks.refusals else excluded.refusals
    end,
    ships = case
        when excluded.status in ('completed', 'merged') and excluded.ships = '{}' then tasks.ships else excluded.ships
    end;

-- name: put_secret(directive, secret)!
-- Keeps a directive's secret; the first one stays, for what is on the remote was made with it.
insert into directive_secrets (directive_id, secret) values (:directive, :secret)
on conflict (directive_id) do nothing;

-- name: secret_of(directive)$
-- Reads it for a run that was started from the record.
select secret from directive_secrets where directive_id = :directive;

-- name: drop_other_steps(directive, kept)!
-- Takes the steps that a snapshot does not hold out of the state, as after a reset; their rows are kept.
update steps set dropped_at = now()
where directive_id = :directive and dropped_at is null and id <> all (:kept::uuid[]);

-- name: drop_other_tasks(directive, kept)!
-- Takes the tasks that a snapshot does not hold out of the state, as after a reset; their rows are kept.
update tasks set dropped_at = now()
where directive_id = :directive and dropped_at is null and id <> all (:kept::uuid[]);

-- name: put_memories(directive, rows)!
-- Makes these the directive's memories: others are forgotten, and one that says the same stays as old as it is.
with sent as (select key, value, category from jsonb_populate_recordset(null::memories, :rows)),

forgotten as (delete from memories where directive_id = :directive::uuid and key not in (select s.key from sent as s))

insert into memories (directive_id, key, value, category)
select :directive::uuid, key, value, category from sent
on conflict (directive_id, key) do update set
    (value, category, updated_at) = (excluded.value, excluded.category, now())
where (memories.value, memories.category) <> (excluded.value, excluded.category);

-- name: put_questions(directive, rows)!
-- Makes these the directive's questions; the rows of others are kept, as those of steps and tasks are.
with sent as (select * from jsonb_populate_recordset(null::questions, :rows)),

dropped as (
    update questions set dropped_at = now()
    where directive_id = :directive::uuid and dropped_at is null and id not in (select s.id from sent as s)
)

insert into questions (directive_id, id, task, topic, text, choices, context, "default", deadline, answer, answered_by)
select :directive::uuid, id, task, topic, text, choices, context, "default", deadline, answer, answered_by from sent
on conflict (directive_id, id) do update set
    (task, topic, text, choices, context, "default", deadline, answer, answered_by, dropped_at)
    = (
        excluded.task, excluded.topic, excluded.text, excluded.choices, excluded.context, excluded."default",
        excluded.deadline, excluded.answer, excluded.answered_by, null
    );

-- name: add_facts(directive, revisions, deliveries, ended, events)!
-- Appends what has happened: goals that were set, starts of attempts on machines, ends of attempts, events in the order
-- they are given in. A delivery's attempt is there from its first one on. An attempt's end is told once: a finished one
-- stays as it is, one that only waited goes on. What a replay tells again is left out.
with revision as (
    insert into goal_revisions (
        directive_id, generation, at, actor, title, goal, requirements, acceptance, constraints
    )
    select :directive::uuid, generation, at, actor, title, goal, requirements, acceptance, constraints
    from jsonb_populate_recordset(null::goal_revisions, :revisions)
    on conflict (directive_id, generation, at) do nothing
),

begun as (select * from jsonb_populate_recordset(null::deliveries, :deliveries)),

sent as (select * from jsonb_populate_recordset(null::attempts, :ended)),

opened as (
    insert into attempts (directive_id, task, attempt, daemon, started_at)
    select distinct on (task, attempt) :directive::uuid, task, attempt, daemon, at
    from begun
    where (task, attempt) not in (select s.task, s.attempt from sent as s)
    order by task, attempt, at
    on conflict (directive_id, task, attempt) do nothing
),

ended as (
    insert into attempts (
        directive_id, task, attempt, status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd,
        tokens, cost_unknown, warnings, daemon, started_at, ended_at, further, agents, account
    )
    select
        :directive::uuid, task, attempt, status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd,
        tokens, cost_unknown, warnings, daemon,
        (select min(b.at) from begun as b where (b.task, b.attempt) = (s.task, s.attempt)), ended_at, further, agents,
        coalesce(account, '')
    from sent as s
    on conflict (directive_id, task, attempt) do update set
        (
            status, summary, failure, work, base_commit, plan, wait_until, seconds, cost_usd, tokens, cost_unknown,
            warnings, daemon, ended_at, further, agents, account
        ) = (
            excluded.status, excluded.summary, excluded.failure, excluded.work, excluded.base_commit, excluded.plan,
            excluded.wait_until, excluded.seconds, excluded.cost_usd, excluded.tokens, excluded.cost_unknown,
            excluded.warnings, excluded.daemon, excluded.ended_at, excluded.further, excluded.agents,
            -- The end of an attempt that was lost says nothing of it: its last report has.
            case when excluded.account = '' then attempts.account else excluded.account end
        )
    where attempts.status is null or attempts.status = 'waiting'
),

delivery as (
    insert into deliveries (directive_id, task, attempt, delivery, daemon, at, agent)
    select :directive::uuid, task, attempt, delivery, daemon, at, coalesce(agent, '')
    from begun
    on conflict (directive_id, task, attempt, delivery) do nothing
)

insert into events (directive_id, fingerprint, at, actor, what, why, step, task)
select :directive::uuid, fingerprint, at, actor, what, why, step, task
from rows from (jsonb_to_recordset(:events) as (
    fingerprint uuid, at timestamptz, actor text, what text, why text, step uuid, task uuid
)) with ordinality as told (fingerprint, at, actor, what, why, step, task, place)
order by place
on conflict (directive_id, fingerprint) do nothing;

-- name: note_usage(directive, task, attempt, seconds, cost_usd, tokens, cost_unknown, estimated_usd, turns, saved, clashes, account)!
-- Notes what an attempt has used that runs; what comes late changes nothing.
update attempts set
    account = :account, seconds = :seconds, cost_usd = :cost_usd, tokens = :tokens, cost_unknown = :cost_unknown,
    estimated_usd = :estimated_usd, turns = :turns, saved = :saved, clashes = :clashes
where
    directive_id = :directive and task = :task and attempt = :attempt and (status is null or status = 'waiting')
    and seconds <= :seconds;

-- name: used_beside(directive, task, attempt, most)^
-- Adds up what all other attempts of a directive have used; of what runs with the estimate, for nobody else knows it.
-- With the steps that a running one is compared with: those that were there before it, or ended while it ran.
with me as (
    select t.generation, a.started_at, a.task
    from attempts as a
    inner join tasks as t on a.directive_id = t.directive_id and a.task = t.id
    where a.directive_id = :directive and a.task = :task and a.attempt = :attempt and t.kind = 'step'
),

beside as (
    select
        s.id as step, s.name, a.started_at,
        case when a.status = 'completed' then a.work ->> 'head' else a.saved ->> 'commit' end as commit,
        case when a.status = 'completed' then 'refs/heads/' || (a.work ->> 'branch') else a.saved ->> 'ref' end as ref
    from me
    inner join tasks as t on t.directive_id = :directive and me.generation = t.generation
    inner join steps as s on t.directive_id = s.directive_id and t.step = s.id
    inner join attempts as a on t.directive_id = a.directive_id and t.id = a.task and t.attempt = a.attempt
    where
        t.kind = 'step' and t.dropped_at is null and t.id <> me.task
        and case
            when a.status = 'completed' then t.status = 'completed' and a.ended_at > me.started_at
            else t.status in ('running', 'waiting') and (a.started_at, a.task) < (me.started_at, me.task)
        end
)

select
    coalesce(sum(a.seconds), 0)::double precision as seconds,
    coalesce(sum(
        a.cost_usd + case when a.cost_unknown and t.status = 'running' then a.estimated_usd else 0 end
    ), 0)::double precision as cost_usd,
    coalesce(sum(a.tokens), 0)::bigint as tokens,
    count(*) filter (where t.kind = 'step' and t.status = 'running' and t.attempt = a.attempt and t.id <> :task) as running,
    (
        select coalesce(jsonb_agg(jsonb_build_object('step', step, 'name', name, 'commit', commit, 'ref', ref)), '[]')
        from (select * from beside where commit <> '' order by started_at desc limit :most) as latest
    ) as steps
from attempts as a
inner join tasks as t on a.directive_id = t.directive_id and a.task = t.id
where a.directive_id = :directive and (a.task, a.attempt) <> (:task, :attempt) and t.dropped_at is null;

-- name: day_standings(owner, account)
-- Reads the budgets of the day that an account's use counts for, with what has been used of each, the estimate included.
select
    b.owner, b.account, coalesce(case when b.today_is = t.day then b.today end, b.budget) as budget,
    b.noticed is not distinct from t.day as noticed, (t.day + 1)::timestamp at time zone 'utc' as until,
    u.seconds, u.cost_usd, u.tokens
from day_budgets as b
cross join (select (now() at time zone 'utc')::date as day) as t
cross join lateral (
    select
        coalesce(sum(seconds), 0)::double precision as seconds,
        coalesce(sum(cost_usd + estimated_usd), 0)::double precision as cost_usd,
        coalesce(sum(tokens), 0)::bigint as tokens
    from day_usage where owner = b.owner and day = t.day and b.account in ('', account)
) as u
where b.owner = :owner and b.account in ('', :account)
order by b.account;

-- name: note_day_noticed(owner, account)$
-- Whether nobody has been told today that this budget ends soon: from now on somebody has.
update day_budgets set noticed = (now() at time zone 'utc')::date
where owner = :owner and account = :account and noticed is distinct from (now() at time zone 'utc')::date
returning true;

-- name: set_day_budget(owner, account, budget)!
-- Makes it every day's, today's too; the row stays where that is none, for those that wait for it.
insert into day_budgets (owner, account, budget) values (:owner, :account, :budget)
on conflict (owner, account) do update set
    (budget, today, today_is, noticed) = (excluded.budget, null, null, null);

-- name: set_todays_budget(owner, account, budget)!
-- Puts it in place of every day's until midnight.
insert into day_budgets (owner, account, today, today_is)
values (:owner, :account, :budget, (now() at time zone 'utc')::date)
on conflict (owner, account) do update set
    (today, today_is, noticed) = (excluded.today, excluded.today_is, null);

-- name: day_budgets_of(owner)
-- Lists an owner's budgets of the day, and the accounts that were used today, with what was used of each.
with t as (select (now() at time zone 'utc')::date as day),

named as (
    select '' as account
    union
    select account from day_budgets where owner = :owner
    union
    select account from day_usage where owner = :owner and day = (select day from t)
)

select
    n.account, coalesce(b.budget, '{}') as budget, case when b.today_is = t.day then b.today end as today,
    (t.day + 1)::timestamp at time zone 'utc' as until,
    u.seconds, u.cost_usd, u.tokens, u.cost_unknown, u.estimated_usd
from named as n
cross join t
left join day_budgets as b on b.owner = :owner and n.account = b.account
cross join lateral (
    select
        coalesce(sum(d.seconds), 0)::double precision as seconds,
        coalesce(sum(d.cost_usd), 0)::double precision as cost_usd,
        coalesce(sum(d.tokens), 0)::bigint as tokens,
        coalesce(bool_or(a.cost_unknown), false) as cost_unknown,
        coalesce(sum(d.estimated_usd), 0)::double precision as estimated_usd
    from day_usage as d
    inner join attempts as a using (directive_id, task, attempt)
    where d.owner = :owner and d.day = t.day and n.account in ('', d.account)
) as u
order by n.account;

-- name: waiting_for_a_day(words, final)
-- Lists the tasks that wait for the next day because a budget of it is used up. Owners that never had one are not looked
-- at.
select distinct d.owner, d.workflow_id, t.reason
from directives as d
inner join tasks as t on d.id = t.directive_id
where
    d.owner in (select owner from day_budgets) and d.status <> all (:final::text[]) and t.status = 'waiting'
    and t.dropped_at is null and t.wait_until > now() and strpos(t.reason, :words) > 0;

-- name: outcome_of(directive, task, attempt)^
-- Reads how an attempt ended; nothing where it goes on.
select * from attempts
where directive_id = :directive and task = :task and attempt = :attempt and status in ('completed', 'failed');

-- name: append_log(task, attempt, delivery, first_byte, directive, text, times)!
-- Keeps a chunk under the place where it starts, so that order and repeats do not matter.
insert into task_logs (task, attempt, delivery, first_byte, directive_id, text, times)
values (:task, :attempt, :delivery, :first_byte, :directive, :text, :times)
on conflict (task, attempt, delivery, first_byte) do nothing;

-- name: trim_log(task, attempt, head, limit)!
-- Keeps an attempt's log within its limit: the latest delivery's beginning, then its end, then what fits of earlier ones.
delete from task_logs as l
using (
    select
        delivery,
        first_byte,
        sum(octet_length(text)) over (
            order by started desc, delivery, first_byte < :head desc, first_byte desc rows unbounded preceding
        ) as bytes
    from (
        select
            c.delivery,
            c.first_byte,
            c.text,
            coalesce(d.at, min(c.received_at) over (partition by c.delivery)) as started
        from task_logs as c
        left join deliveries as d using (directive_id, task, attempt, delivery)
        where c.task = :task and c.attempt = :attempt
    ) as chunks
) as ranked
where
    l.task = :task and l.attempt = :attempt
    and l.delivery = ranked.delivery and l.first_byte = ranked.first_byte and ranked.bytes > :limit;

-- name: put_artifact(directive, task, attempt, name, content)!
-- Keeps a file that a task handed over; what the same attempt puts under the same name takes its place.
insert into artifacts (directive_id, task, attempt, name, content)
values (:directive, :task, :attempt, :name, :content)
on conflict (task, attempt, name) do update set
    (directive_id, content, put_at) = (excluded.directive_id, excluded.content, now());

-- name: knows_daemon(owner, name)$
-- Asks who may report: anybody who reaches the namespace can send a report under any name.
select
    exists (select from daemons where owner = :owner and name = :name)
    or exists (
        select from deliveries as d join directives on directives.id = d.directive_id
        where d.daemon = :name and directives.owner = :owner
    );

-- name: report_daemon(owner, name, version, agents, labels, capacity, running, sandbox, parked, features)!
-- Keeps what a daemon says of itself, and when by the database's clock: machines' clocks differ.
insert into daemons (owner, name, version, agents, labels, capacity, running, sandbox, parked, features)
values (:owner, :name, :version, :agents, :labels, :capacity, :running, :sandbox, :parked, :features)
on conflict (owner, name) do update set
    (version, agents, labels, capacity, running, sandbox, parked, features, reported_at)
    = (
        excluded.version, excluded.agents, excluded.labels, excluded.capacity, excluded.running, excluded.sandbox,
        excluded.parked, excluded.features, now()
    );

-- name: directives_of_owner(owner, directive)
-- Lists an owner's directives, or one of them, the latest changed first, each with its steps counted by status.
select
    d.id, d.workflow_id, d.title, d.status, d.reason, d.generation, d.updated_at, d.lost, d.held_up, d.again,
    d.repository, now() - d.created_at as age,
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
where d.owner = :owner and (:directive::uuid is null or d.id = :directive::uuid)
order by d.updated_at desc, d.id;

-- name: is_answered(directive, request)$
-- Asks whether the record holds what a request led to.
select exists (
    select from directives as d, jsonb_array_elements(d.answered) as given
    where d.id = :directive and given ->> 0 = :request
);

-- name: checked_ago()$
-- How long ago a worker last looked after the workflows, by the database's clock.
select now() - checked_at from workflow_checks;

-- name: unfinished_workflows(final)
-- Lists the workflows of all directives that have not ended.
select workflow_id, lost, held_up, again from directives where status <> all (:final::text[]);

-- name: clock()$
-- The database's time: machines' clocks differ.
select clock_timestamp();

-- name: note_workflows(seen, final, looked_at)!
-- Notes how workflows ended before their time, or what they try again; one that has written meanwhile is not lost.
update directives as d set
    lost = case when d.updated_at < :looked_at then e.noted ->> 'lost' else d.lost end,
    held_up = e.noted -> 'held_up',
    again = e.noted -> 'again'
from jsonb_each(:seen) as e (workflow_id, noted)
where d.workflow_id = e.workflow_id and d.status <> all (:final::text[]);

-- name: note_check()!
-- Notes that a worker has looked after the workflows.
insert into workflow_checks (checked_at) values (now())
on conflict (single) do update set checked_at = excluded.checked_at;

-- name: forget_check()!
-- Notes that the worker stops; where another one is there, it notes its next look.
delete from workflow_checks;

-- name: directive_ids(owner, name)
-- Finds what an operator may mean: the beginning of an id, with or without dashes, or a whole workflow id.
select id from directives
where
    owner = :owner
    and (starts_with(replace(id::text, '-', ''), replace(lower(:name), '-', '')) or workflow_id = lower(:name))
order by id;

-- name: directives_titled(owner, title)
-- Finds the directives of this title, in whatever letter case.
select id from directives
where owner = :owner and lower(title) = lower(:title)
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

-- name: memories_of_directive(directive)
-- Reads the memories of the state.
select key, value, category from memories where directive_id = :directive
order by key;

-- name: questions_of_directive(directive)
-- Reads the questions of the state, answered ones too.
select * from questions where directive_id = :directive and dropped_at is null
order by asked_at, id;

-- name: open_questions(owner, final)
-- Lists what an owner's agents ask of people, the oldest first; nobody waits for a directive that is closed.
select q.*, d.workflow_id
from questions as q
inner join directives as d on q.directive_id = d.id
where d.owner = :owner and q.answer is null and q.dropped_at is null and d.status <> all (:final::text[])
order by q.asked_at, q.id;

-- name: artifacts_of_directive(directive)
-- Lists the files that a directive's tasks handed over, the latest first.
select name, task, attempt, octet_length(content) as size, put_at
from artifacts where directive_id = :directive
order by put_at desc, name, task, attempt desc;

-- name: artifact(directive, name)$
-- Reads the latest file of a name.
select content from artifacts where directive_id = :directive and name = :name
order by put_at desc, attempt desc, task
limit 1;

-- name: events_of_directive(directive)
-- Reads all that happened to a directive, in order.
select at, actor, what, why, step, task from events where directive_id = :directive order by number;

-- name: attempts_of_directive(directive)
-- Reads every attempt with what it used up, in the order of plans.
select
    a.task, t.name, t.kind, t.step, t.generation, a.attempt, a.status, a.seconds, a.cost_usd, a.tokens,
    a.cost_unknown, a.estimated_usd, a.turns, a.clashes, a.daemon, a.started_at, a.ended_at, a.agents,
    t.status in ('starting', 'running') and t.attempt = a.attempt and t.dropped_at is null as runs
from attempts as a
inner join tasks as t on a.directive_id = t.directive_id and a.task = t.id
where a.directive_id = :directive
order by t.generation, t.round, coalesce(a.started_at, a.ended_at), t.name, a.attempt;

-- name: steps_done(owner, repository, most)
-- Reads what the latest completed steps of an owner's directives in a repository have used, over all their attempts.
select
    s.name,
    count(a.attempt) as attempts,
    coalesce(sum(a.seconds), 0)::double precision as seconds,
    coalesce(sum(a.cost_usd), 0)::double precision as cost_usd,
    coalesce(sum(a.tokens), 0)::bigint as tokens,
    coalesce(bool_or(a.cost_unknown), false) as cost_unknown
from directives as d
inner join tasks as t on d.id = t.directive_id and t.kind = 'step' and t.status in ('completed', 'merged')
inner join steps as s on t.directive_id = s.directive_id and t.step = s.id
inner join attempts as a on t.directive_id = a.directive_id and t.id = a.task
where d.owner = :owner and d.repository = :repository and a.ended_at is not null
group by s.directive_id, s.id, s.name
order by max(a.ended_at) desc
limit :most;

-- name: costs_told(owner, repository, most)
-- Reads what agents have used in the latest attempts of a repository's steps.
select a.agents
from directives as d
inner join tasks as t on d.id = t.directive_id and t.kind = 'step'
inner join attempts as a on t.directive_id = a.directive_id and t.id = a.task
where d.owner = :owner and d.repository = :repository and a.ended_at is not null and a.agents <> '{}'
order by a.ended_at desc
limit :most;

-- name: spent_by_directives(owner)
-- Adds up what each of an owner's directives has used up, the latest changed first.
select
    d.id, d.title, d.status,
    count(a.task) as attempts,
    coalesce(sum(a.seconds), 0)::double precision as seconds,
    coalesce(sum(a.cost_usd), 0)::double precision as cost_usd,
    coalesce(sum(a.tokens), 0)::bigint as tokens,
    coalesce(bool_or(a.cost_unknown), false) as cost_unknown,
    coalesce(sum(a.estimated_usd) filter (where a.cost_unknown), 0)::double precision as estimated_usd
from directives as d
left join attempts as a on d.id = a.directive_id
where d.owner = :owner
group by d.id
order by d.updated_at desc, d.id;

-- name: plans_of_directive(directive)
-- Reads what each generation's planner handed over last.
select distinct on (t.generation) t.generation, a.plan
from attempts as a
inner join tasks as t on a.directive_id = t.directive_id and a.task = t.id
where a.directive_id = :directive and t.kind = 'planning' and a.status = 'completed' and a.plan is not null
order by t.generation, t.round desc, a.attempt desc;

-- name: prunable(owner, older_than, final)
-- Lists the directives that ended long ago and have something to forget; the note of an earlier pruning is kept.
select id, title, status, ended_at, events, log_bytes
from (
    select
        d.id, d.title, d.status, d.updated_at as ended_at,
        (
            select count(*) from events as e
            where e.directive_id = d.id and e.what <> 'record pruned'
        ) as events,
        (
            select coalesce(sum(octet_length(l.text)), 0)::bigint
            from task_logs as l inner join tasks as t on l.task = t.id
            where t.directive_id = d.id
        ) as log_bytes
    from directives as d
    where
        d.owner = :owner and d.status = any(:final::text[])
        and d.updated_at < now() - :older_than::interval
) as ended
where events > 0 or log_bytes > 0
order by ended_at, id;

-- name: name_pruned(directive)!
-- Lets this transaction delete the events of one directive, as long as that has ended.
select set_config('makima.pruning', :directive, true);

-- name: prune_events(directive)!
-- Forgets what happened to a directive.
delete from events where directive_id = :directive and what <> 'record pruned';

-- name: prune_logs(directive)!
-- Forgets what its agents have printed.
delete from task_logs where task in (select id from tasks where directive_id = :directive);

-- name: note_pruning(directive, why)!
-- Leaves a line in place of all that was forgotten.
insert into events (directive_id, fingerprint, at, actor, what, why)
values (:directive, gen_random_uuid(), now(), 'operator', 'record pruned', :why);

-- name: deliveries_of_task(directive, task)
-- Lists whose logs there are and who has begun, in order; the record of a delivery may come later than its first lines.
select
    attempt, delivery, coalesce(d.at, l.received_at) as begun, coalesce(l.newest, -1) as newest,
    a.status, a.ended_at, a.failure ->> 'category' as failure,
    coalesce(d.daemon, a.daemon, '') as daemon,
    coalesce(nullif(d.agent, ''), array_to_string(array(select jsonb_object_keys(a.agents)), ', ')) as agent
from (
    select attempt, delivery, min(received_at) as received_at, max(first_byte) as newest
    from task_logs where task = :task
    group by attempt, delivery
) as l
full join (
    select attempt, delivery, daemon, agent, at from deliveries where directive_id = :directive and task = :task
) as d using (attempt, delivery)
left join (select * from attempts where directive_id = :directive and task = :task) as a using (attempt)
order by attempt, begun, delivery;

-- name: ends_of_deliveries(directive, task, ends)
-- Lists the events of a task that end a delivery, in order.
select at, actor, what, why, step, task from events
where directive_id = :directive and task = :task and what = any(:ends)
order by number;

-- name: log_chunks(task, attempt, delivery, next_byte)
-- Reads a delivery's log from behind what was read last.
select first_byte, text, times, received_at from task_logs
where task = :task and attempt = :attempt and delivery = :delivery and first_byte >= :next_byte
order by first_byte;

-- name: daemons_of_owner(owner)
-- Lists an owner's daemons and how long each has been silent, by the one clock that wrote its last contact.
select
    name, version, agents, labels, capacity, running, sandbox, parked, features, reported_at,
    now() - reported_at as silent_for
from daemons where owner = :owner
order by name;

-- name: pick_daemon(owner, label, feature, exclude, lately)$
-- Chooses who is asked next to serve a task: a full daemon too, since it will have a free slot again.
select name from daemons
where
    owner = :owner and name <> all (:exclude::text[]) and reported_at > now() - :lately::interval
    and (:label = '' or :label = any (labels)) and (:feature = '' or :feature = any (features))
order by capacity - cardinality(running) desc, name
limit 1;

-- name: lock_migrations()!
-- Lets one process at a time change the schema.
select pg_advisory_xact_lock(hashtextextended('makima migrations', 0));

-- name: migrations_prepared()$
-- Asks before it makes anything: a role that may not create tables can still see that nothing is to be done.
select to_regclass('schema_migrations') is not null;

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

-- name: know_notice_turns(owner, channel, kinds, inherits)!
-- From the first time on that a channel is asked for, nothing of these kinds is forgotten; one that `inherits` was asked for
-- before channels had names.
insert into notice_turns (owner, channel, kind, since)
select :owner, :channel, k.kind, least(now(), b.since)
from unnest(:kinds::text[]) as k (kind)
left join notice_turns as b on :inherits::boolean and b.owner = :owner and b.channel = '' and b.kind = k.kind
on conflict (owner, channel, kind) do nothing;

-- name: end_unnamed_turns(owner)!
-- They were taken over: a channel of later begins with what happens from then on.
update notice_turns set since = 'infinity' where owner = :owner and channel = '' and since < 'infinity';

-- name: lock_notice_turn(owner, channel, kind, at_most_every)^
-- Takes a kind whose turn at a channel has come; of several workers one gets it, for the others it is not there.
select since from notice_turns
where
    owner = :owner and channel = :channel and kind = :kind
    and (sent_at is null or sent_at <= now() - :at_most_every::interval)
for update skip locked;

-- name: unsent(owner, channel, events, since, most, asked, proposed)
-- Finds what a channel was not told of yet, with the question or the plan that it is about. By what was told, not by a
-- cursor: events of long writes appear late.
select
    e.number, e.directive_id as directive, d.title, e.at, e.what, e.why, coalesce(s.name, '') as step,
    asked.id as question,
    case
        when e.what = :proposed and not exists (
            select from events as l
            where l.directive_id = e.directive_id and l.what = e.what and l.number > e.number
        ) then d.proposal
    end as proposal
from events as e
inner join directives as d on e.directive_id = d.id
left join steps as s on e.directive_id = s.directive_id and e.step = s.id
left join lateral (
    select q.id from questions as q
    where
        e.what = :asked and q.directive_id = e.directive_id and q.task = coalesce(e.task, e.directive_id)
        and left(q.text, 500) = e.why
    order by q.asked_at desc
    limit 1
) as asked on true
where
    d.owner = :owner and e.what = any(:events::text[]) and e.recorded_at >= :since
    and not exists (select from notices_sent as n where n.event = e.number and n.channel in (:channel, ''))
order by e.number
limit :most;

-- name: database_time()$
-- Says when it is, by the one clock that events are recorded by.
select now();

-- name: happened(owner, events, since, told)
-- Finds what has happened since a time, apart from what the caller knows.
select e.number, e.directive_id as directive, d.title, e.at, e.what, e.why, coalesce(s.name, '') as step
from events as e
inner join directives as d on e.directive_id = d.id
left join steps as s on e.directive_id = s.directive_id and e.step = s.id
where
    d.owner = :owner and e.what = any(:events::text[]) and e.recorded_at >= :since
    and e.number <> all(:told::bigint[])
order by e.number;

-- name: note_told(channel, numbers)!
-- Remembers what a channel was told.
insert into notices_sent (event, channel) select number, :channel from unnest(:numbers::bigint[]) as n (number)
on conflict (event, channel) do nothing;

-- name: note_sent(owner, channel, kind)!
-- Begins the time in which this kind is quiet there.
update notice_turns set sent_at = now() where owner = :owner and channel = :channel and kind = :kind;

-- name: directives_by_status(statuses)
-- Counts for the metrics: of every owner, every status.
select o.owner, s.status, count(d.id) as number
from (select distinct owner from directives) as o
cross join unnest(:statuses::text[]) as s (status)
left join directives as d on d.owner = o.owner and d.status = s.status
group by o.owner, s.status;

-- name: unfinished_of_all(final)
-- Every owner's directives that have not ended: what would be lost with this record.
select id, owner, title, status from directives
where not (status = any(:final::text[])) order by owner, updated_at desc;

-- name: branches_of(directives)
-- Each branch that work of these directives is known to have been on, with the commits that it ended at.
select directive_id, name, array_agg(distinct head) as commits
from (
    select directive_id, work ->> 'branch' as name, work ->> 'head' as head from steps
    where directive_id = any(:directives::uuid[])
    union all
    select directive_id, work ->> 'branch', work ->> 'head' from attempts where directive_id = any(:directives::uuid[])
    union all
    select directive_id, branch, head from pull_requests where directive_id = any(:directives::uuid[])
) as known
where name <> '' and head <> '' group by directive_id, name order by name;

-- name: tasks_and_pull_requests(directives)
-- What else these directives have left on their remote.
select
    d.id, d.title, d.base_branch,
    (select coalesce(array_agg(t.id), '{}') from tasks as t where t.directive_id = d.id) as tasks,
    (
        select coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'branch', p.branch, 'head', p.head, 'base', p.base, 'url', p.url, 'state', p.state,
                    'number', p.number, 'version', p.version
                )
            ), '[]'
        )
        from pull_requests as p where p.directive_id = d.id
    ) as pull_requests
from directives as d where d.id = any(:directives::uuid[]) order by d.created_at;

-- name: ended_in(owner, repository, final)
-- An owner's directives in a repository that were completed, failed or archived.
select id from directives
where owner = :owner and repository = :repository and status = any(:final::text[]);

-- name: unfinished_in(repository, final)
-- Every owner's that have not ended there, with the branch that they start from.
select id, base_branch from directives
where repository = :repository and not (status = any(:final::text[]));

-- name: open_pull_requests_in(repository, over)
-- Every owner's pull requests there that were seen neither merged nor closed, also of directives that have ended.
select p.branch, p.head, p.base, p.url, p.state, p.number, p.version
from pull_requests as p inner join directives as d on d.id = p.directive_id
where d.repository = :repository and p.number > 0 and not (p.state = any(:over::text[]))
order by p.number;

-- name: is_empty()^
-- Whether no worker has ever made its tables.
select to_regclass('directives') is null as answer;

-- name: daemons_by_owner(lately)
-- Counts for the metrics: who has reported lately, and how much of them is in use; gone ones count as nothing.
select
    owner, count(*) filter (where here) as daemons, coalesce(sum(capacity) filter (where here), 0) as slots,
    coalesce(sum(cardinality(running)) filter (where here), 0) as running
from (select *, reported_at > now() - :lately::interval as here from daemons) as d
group by owner;

-- name: name_role(role)$
-- Tells the next statement of this transaction whom it is for: a role's name can be no parameter.
select set_config('makima.role', :role, true);

-- name: let_write()!
-- What worker.py needs: reading all, adding and changing rows. It empties nothing but logs and memories, and what was
-- recorded of events and attempts stays as it is.
do $$
declare
    role_name text := current_setting('makima.role');
    granted text;
begin
    execute format('grant connect on database %I to %I', current_database(), role_name);
    execute format('grant usage on schema public to %I', role_name);
    execute format('grant select on all tables in schema public to %I', role_name);
    foreach granted in array array[
        'insert, update on directives', 'insert on directive_secrets', 'insert on goal_revisions',
        'insert, update on steps', 'insert, update on tasks', 'insert, update on attempts', 'insert on deliveries',
        'insert, update, delete on memories', 'insert, update on questions', 'insert, update on pull_requests',
        'insert, delete on task_logs', 'insert, update on artifacts', 'insert, update on daemons', 'insert on events',
        'insert, update on notice_turns', 'insert on notices_sent', 'insert, update, delete on workflow_checks',
        'insert, update on day_budgets', 'insert, update on day_usage'
    ]
    loop
        execute format('grant %s to %I', granted, role_name);
    end loop;
end
$$;

-- name: let_read()!
-- What starter.py needs: all but the secrets.
do $$
declare
    role_name text := current_setting('makima.role');
begin
    execute format('grant connect on database %I to %I', current_database(), role_name);
    execute format('grant usage on schema public to %I', role_name);
    execute format('grant select on all tables in schema public to %I', role_name);
    execute format('revoke select on directive_secrets from %I', role_name);
end
$$;
