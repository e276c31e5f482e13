-- Who sees what. Policies and grants for all tables, those of later migrations too, are set by workers/store/src/access.sql
-- after every migration; here is what they stand on, and what people read.

-- The only way rows of the ledger go. As its owner, so that the program's role needs no right to delete.
do $$
begin
    execute format('alter function archive_run(uuid) security definer set search_path to %I, pg_temp', current_schema());
end $$;

-- Which tenant a login that only reads belongs to. Not a tenant's data: only the owner of the tables reads and writes it.
create table reader_login (
    login    name primary key,
    tenant   text not null check (tenant <> ''),
    added_at timestamptz not null default now()
);

-- What people and reports read. A view here keeps its columns; what has to change gets a new version beside it.
create schema fallout_v1;
comment on schema fallout_v1 is 'read views of Fallout, version 1: one tenant per login';

-- By the login of the session, which a client cannot change: a setting it could.
create function fallout_v1.tenant() returns text language sql stable security definer
begin atomic
    select tenant from reader_login where login = session_user;
end;

-- Each view names the tenant itself, and the policies of the tables below ask again. `security_barrier`: no function of a
-- reader sees a row before these conditions.
create view fallout_v1.cases with (security_barrier) as
select c.case_number, c.case_type as category, c.classification_code as classification, c.severity, c.status,
       c.status not in ('resolved', 'closed', 'force_closed', 'duplicate') as open,
       o.external_id as order_id, c.customer_id, c.business_key, c.process_instance_id,
       c.external_system as downstream, c.external_reference, c.diagnostic_summary as summary,
       c.recommended_action, c.assigned_group, c.assigned_user, c.sla_due_at,
       c.created_at, c.updated_at, c.resolved_at, c.closed_at
from fallout_case c left join product_order o on o.id = c.related_order_id
where c.tenant_id = (select fallout_v1.tenant());
comment on view fallout_v1.cases is 'every case with the id by which the outside knows its order';

-- Without the payloads of events: they may hold what a person typed about a customer.
create view fallout_v1.timeline with (security_barrier) as
select c.case_number, o.external_id as order_id, e.created_at as at, e.event_type as event, e.actor_type, e.actor_id as actor, e.reason
from fallout_event e join fallout_case c on c.id = e.fallout_case_id left join product_order o on o.id = c.related_order_id
where e.tenant_id = (select fallout_v1.tenant());
comment on view fallout_v1.timeline is 'what happened to each case, by whom and why';

-- Without requests and answers, for the same reason.
create view fallout_v1.attempts with (security_barrier) as
select o.external_id as order_id, r.run, s.line_id, s.step_code, s.direction, s.state as step_state, i.operation, i.generation,
       a.number, a.epoch, a.state, coalesce(a.contradicted_by, a.outcome) ->> 'outcome' as outcome, i.idempotency_key,
       a.opened_at, a.settled_at, a.reported_at
from attempt a join intent i on i.id = a.intent_id join step s on s.id = a.step_id
     join order_run r on r.id = s.order_run_id join product_order o on o.id = r.order_id
where a.tenant_id = (select fallout_v1.tenant());
comment on view fallout_v1.attempts is 'every try of every step and what is proven of it';

create view fallout_v1.open_by_age with (security_barrier) as
select c.case_type as category, c.assigned_group, c.severity, count(*) as cases,
       count(*) filter (where c.created_at > now() - interval '1 day') as under_a_day,
       count(*) filter (where c.created_at <= now() - interval '1 day' and c.created_at > now() - interval '7 days') as under_a_week,
       count(*) filter (where c.created_at <= now() - interval '7 days') as older,
       min(c.created_at) as oldest_at
from fallout_case c
where c.tenant_id = (select fallout_v1.tenant())
  and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
group by c.case_type, c.assigned_group, c.severity;
comment on view fallout_v1.open_by_age is 'open cases by category, group and severity, and how old they are';
