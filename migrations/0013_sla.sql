-- How grave each case is and why, and its clock.

create table case_severity (
    fallout_case_id uuid primary key references fallout_case (id),
    tenant_id       text not null,
    -- what classification and factors say now; the case itself may be graver, or lowered by a person
    derived         text not null check (derived in ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    -- {severity, base, reasons: [{factor, source, value, severity, assumed}]}
    reasons         jsonb not null,
    derived_at      timestamptz not null,
    -- the last time a person lowered it: what was derived then, and what that person decided
    lowered_from    text check (lowered_from in ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    lowered_to      text check (lowered_to in ('SEV2', 'SEV3', 'SEV4')),
    lowered_by      text check (lowered_by <> ''),
    lowered_reason  text check (lowered_reason <> ''),
    check (num_nulls(lowered_from, lowered_to, lowered_by, lowered_reason) in (0, 4))
);
-- Orders with the same trouble are counted for each of its cases.
create index fallout_case_of_trouble on fallout_case (tenant_id, external_system, classification_code, related_order_id)
    where status not in ('resolved', 'closed', 'force_closed', 'duplicate');

create table case_sla (
    fallout_case_id      uuid primary key references fallout_case (id),
    tenant_id            text not null,
    policy               text not null,
    -- as the policy said when the case was opened, so that the clock follows the case whoever moves it
    paused_in            text[] not null,
    answered_at          timestamptz,
    response_due_at      timestamptz,
    jeopardy_at          timestamptz,
    told_response_breach boolean not null default false,
    told_jeopardy        boolean not null default false,
    told_breach          boolean not null default false,
    escalations          int not null default 0 check (escalations >= 0),
    -- when a controller has to look; null: never
    next_at              timestamptz
);
create index case_sla_next on case_sla (next_at) where next_at is not null;

-- What every due time can be computed from again.
create table case_sla_segment (
    id              bigint generated always as identity primary key,
    tenant_id       text not null,
    fallout_case_id uuid not null references case_sla (fallout_case_id),
    kind            text not null check (kind in ('running', 'paused')),
    from_at         timestamptz not null,
    to_at           timestamptz check (to_at >= from_at)
);
create unique index case_sla_segment_one_open on case_sla_segment (fallout_case_id) where to_at is null;
create index case_sla_segment_of_case on case_sla_segment (fallout_case_id, from_at);

create function case_sla_segment_is_history() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.to_at is not null
       or (new.id, new.tenant_id, new.fallout_case_id, new.kind, new.from_at)
          is distinct from (old.id, old.tenant_id, old.fallout_case_id, old.kind, old.from_at) then
        perform ledger_refuse('case_sla_segment_is_history', 'a segment of a clock ends once and never changes');
    end if;
    return new;
end $$;
create trigger case_sla_segment_is_history before update or delete on case_sla_segment
    for each row execute function case_sla_segment_is_history();

-- The clock follows the state of its case, whoever changes it: running, paused, or none when the case is over.
create function case_sla_follows() returns trigger language plpgsql as $$
declare
    clock  case_sla;
    wanted text;
    moment timestamptz;
begin
    select * into clock from case_sla where fallout_case_id = new.id for update;
    if not found then
        return null;
    end if;
    wanted := case when new.status in ('resolved', 'closed', 'force_closed', 'duplicate') then null
                   when new.status = any (clock.paused_in) then 'paused'
                   else 'running' end;
    -- a clock of the server that was set back does not make time negative
    select greatest(clock_timestamp(), max(from_at), max(to_at)) into moment from case_sla_segment where fallout_case_id = new.id;
    update case_sla_segment set to_at = moment
        where fallout_case_id = new.id and to_at is null and kind is distinct from wanted;
    insert into case_sla_segment (tenant_id, fallout_case_id, kind, from_at)
        select new.tenant_id, new.id, wanted, moment
        where wanted is not null
          and not exists (select from case_sla_segment where fallout_case_id = new.id and to_at is null);
    -- answered: somebody works on it, or it is over
    update case_sla set next_at = moment,
        answered_at = case when new.status in ('detected', 'classified', 'assigned') then answered_at
                           else coalesce(answered_at, moment) end
        where fallout_case_id = new.id;
    return null;
end $$;
create trigger case_sla_follows after update of status on fallout_case
    for each row when (old.status <> new.status) execute function case_sla_follows();

create function severity_is_lowered_by_a_person() returns trigger language plpgsql as $$
begin
    if not exists (select from case_severity where fallout_case_id = new.id and lowered_to = new.severity) then
        perform ledger_refuse('severity_is_lowered_by_a_person',
            format('case %s is %s; only a named person with a reason makes it %s', new.case_number, old.severity, new.severity));
    end if;
    return new;
end $$;
-- SEV4 is the least grave
create trigger severity_is_lowered_by_a_person before update of severity on fallout_case
    for each row when (new.severity > old.severity) execute function severity_is_lowered_by_a_person();
