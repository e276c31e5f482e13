-- What is known of an order besides its steps, in the words of TMF622 v4; its personal data apart, so that they can be
-- erased; the events of its owner; and the tokens of whoever may tell them over HTTP.

alter table product_order
    -- the month under which its personal data lie in order_personal; null: it has none
    add column personal_month date,
    -- since then nothing personal is kept of it, whatever comes later
    add column erased_at timestamptz;

-- Facts of an order as they are known now.
create table order_context (
    order_id            uuid primary key references product_order (id),
    tenant_id           text not null,
    customer_id         text,
    -- the customer's segment
    category            text,
    value_amount        double precision,
    value_unit          text,
    promised_at         timestamptz,
    requested_at        timestamptz,
    priority            text,
    external_references text[] not null default '{}',
    -- as the order's owner says; ours follows from ledger and cases (order_own_state)
    owner_state         text check (owner_state in ('acknowledged', 'rejected', 'pending', 'held', 'inProgress', 'cancelled',
                        'completed', 'failed', 'partial', 'assessingCancellation', 'pendingCancellation')),
    -- the order as its owner's events have it, without what is personal; null: as it was taken in. Steps are rendered from
    -- the order as it was taken in, whatever the owner tells meanwhile.
    document            jsonb,
    -- the time of the newest event, by the owner's clock; what is older is not taken any more
    as_of               timestamptz,
    -- the owner has deleted it
    deleted_at          timestamptz,
    updated_at          timestamptz not null default clock_timestamp(),
    constraint order_context_value check ((value_amount is null) = (value_unit is null)),
    constraint order_context_newest check (document is null or as_of is not null)
);

create table order_item (
    order_id        uuid not null references order_context (order_id),
    line_id         text not null,
    tenant_id       text not null,
    position        int not null,
    parent_line_id  text,
    action          text not null,
    offering_id     text,
    offering_name   text,
    quantity        double precision,
    owner_state     text check (owner_state in ('acknowledged', 'rejected', 'pending', 'held', 'inProgress', 'cancelled',
                    'completed', 'failed', 'assessingCancellation', 'pendingCancellation')),
    -- personal: they go when the order's personal data go
    service_numbers text[] not null default '{}',
    primary key (order_id, line_id)
);

-- Events of the order's owner, so that each counts once. Forgotten like personal data, by age.
create table order_event (
    tenant_id   text not null,
    event_id    text not null,
    order_id    uuid not null references product_order (id),
    event_type  text not null check (event_type in ('ProductOrderCreateEvent', 'ProductOrderStateChangeEvent',
                'ProductOrderAttributeValueChangeEvent', 'ProductOrderDeleteEvent', 'ProductOrderInformationRequiredEvent')),
    event_at    timestamptz not null,
    -- the name of the token that it came with
    told_by     text not null,
    received_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, event_id)
);
create index order_event_by_age on order_event (received_at);

-- Personal data -----------------------------------------------------------------------------------------------------

-- What was cut out of the documents: JSON pointers and what stood there. A partition for each month, so that what is due
-- goes as a whole, without a trace in pages that are used on.
create table order_personal (
    month     date not null check (extract(day from month) = 1),
    order_id  uuid not null references product_order (id),
    tenant_id text not null,
    -- of the order as it was taken in, or as its owner's events have it
    part      text not null check (part in ('taken_in', 'newest')),
    fields    jsonb not null check (jsonb_typeof(fields) = 'object'),
    primary key (month, order_id, part)
) partition by range (month);

-- The partition of a month, secured like every table (workers/store/src/access.sql); false: it was there.
create function make_order_personal(a_month date) returns boolean language plpgsql as $$
declare
    first date := date_trunc('month', a_month)::date;
    name  text := 'order_personal_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('fallout.order_personal'));
    if to_regclass(name) is not null then
        return false;
    end if;
    execute format('create table %I (like order_personal including all)', name);
    execute format($p$create policy tenant_scope on %I using (
                tenant_id = current_setting('fallout.tenant', true)
                or current_setting('fallout.service', true) <> '')$p$, name);
    execute format('create policy login_scope on %I for select to current_user using (tenant_id = (select fallout_v1.tenant()))', name);
    execute format('alter table %I enable row level security, force row level security', name);
    execute format('alter table order_personal attach partition %I for values from (%L) to (%L)', name, first, first + interval '1 month');
    return true;
end $$;

-- Whether personal data of an order are still needed: a run of it is not archived, or a case of it is open.
create function order_is_live(an_order uuid) returns boolean language sql stable as $$
    select exists (select from order_run r where r.order_id = an_order and r.archived_at is null)
        or exists (select from fallout_case c where c.related_order_id = an_order
                   and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate'))
$$;

-- Drops the oldest partition before a month; the personal data of orders that are still needed move to this month. False:
-- there is none.
create function drop_order_personal(before date) returns boolean language plpgsql as $$
declare
    this  date := date_trunc('month', now() at time zone 'UTC')::date;
    old   date;
    name  text;
    moved uuid[];
begin
    if coalesce(current_setting('fallout.service', true), '') = '' then
        perform ledger_refuse('personal_data_of_all', 'a partition holds the orders of every tenant: only a service of ours drops it');
    end if;
    if before > this then
        perform ledger_refuse('personal_data_is_kept', 'the personal data of this month are kept');
    end if;
    -- one at a time, before it is looked which is the oldest
    perform pg_advisory_xact_lock(hashtext('fallout.order_personal'));
    select to_date(right(c.relname, 7), 'YYYY_MM'), c.relname into old, name
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'order_personal'::regclass and to_date(right(c.relname, 7), 'YYYY_MM') < before
    order by c.relname limit 1;
    if old is null then
        return false;
    end if;
    perform make_order_personal(this);
    -- nobody adds to it meanwhile
    lock table order_personal in access exclusive mode;
    with live as (
        update order_personal set month = this where month = old and order_is_live(order_id) returning order_id)
    select array_agg(distinct order_id) into moved from live;
    update product_order set personal_month = this where id = any (moved);
    update order_item set service_numbers = '{}'
        where service_numbers <> '{}' and order_id in (select p.order_id from order_personal p where p.month = old);
    execute format('drop table %I', name);
    return true;
end $$;

-- Who erased the personal data of an order before their time. Of what was erased only a hash is kept.
create table order_erasure (
    order_id      uuid primary key references product_order (id),
    tenant_id     text not null,
    erased_by     text not null check (erased_by <> ''),
    reason        text not null check (reason <> ''),
    fields        int not null,
    content_hash  text not null,
    archived_runs int not null,
    erased_at     timestamptz not null default clock_timestamp()
);
create trigger order_erasure_is_append_only before update or delete on order_erasure
    for each row execute function refuse_change();
create trigger order_erasure_is_not_truncated before truncate on order_erasure
    for each statement execute function refuse_change();

-- What was erased does not come back, whoever writes.
create function personal_data_stays_erased() returns trigger language plpgsql as $$
begin
    if exists (select from product_order o where o.id = new.order_id and o.erased_at is not null) then
        perform ledger_refuse('personal_data_stays_erased', format('the personal data of order %s were erased', new.order_id));
    end if;
    return new;
end $$;
create trigger personal_data_stays_erased before insert on order_personal
    for each row execute function personal_data_stays_erased();

-- As their owner: the program's role makes and drops no tables.
do $$
begin
    execute format('alter function make_order_personal(date) security definer set search_path to %I, pg_temp', current_schema());
    execute format('alter function drop_order_personal(date) security definer set search_path to %I, pg_temp', current_schema());
end $$;
select make_order_personal((now() at time zone 'UTC')::date), make_order_personal(((now() at time zone 'UTC') + interval '1 month')::date);

-- Tokens ------------------------------------------------------------------------------------------------------------

-- For the HTTP doors. Only the hash is kept: whoever reads this table cannot use one.
create table access_token (
    id           uuid primary key,
    tenant_id    text not null check (tenant_id <> ''),
    name         text not null check (name <> ''),
    hash         bytea not null unique check (octet_length(hash) = 32),
    scopes       text[] not null check (cardinality(scopes) > 0
                 and scopes <@ array['orders.write', 'signals.write', 'callbacks.write', 'read']),
    added_by     text not null check (added_by <> ''),
    added_at     timestamptz not null default clock_timestamp(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    last_used_at timestamptz,
    check ((revoked_at is null) = (revoked_by is null))
);
-- The name of a revoked token is free again.
create unique index access_token_name on access_token (tenant_id, name) where revoked_at is null;

create function access_token_is_itself() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.name, new.hash, new.scopes, new.expires_at) is distinct from
       (old.id, old.tenant_id, old.name, old.hash, old.scopes, old.expires_at)
       or old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at then
        perform ledger_refuse('access_token_is_itself', format('token %s may only be used and revoked', old.name));
    end if;
    return new;
end $$;
create trigger access_token_is_itself before update on access_token
    for each row execute function access_token_is_itself();

-- How orders stand --------------------------------------------------------------------------------------------------

-- As LineFacts::state and OrderFacts::state (fallout-core/src/context.rs); a test compares them.
create function order_line_state(run text, cancelling boolean, attention text, begun boolean, parked boolean, unknown boolean,
        cancelled boolean) returns text language sql immutable as $$
    select case
        when run is null then null
        when attention = 'open' or attention = 'none' and parked then 'held'
        when attention = 'waits' or unknown then 'pending'
        when run = 'ended' then 'held'
        when run = 'cancelled' or begun and cancelled then 'cancelled'
        when run = 'completed' then 'completed'
        when cancelling then 'pendingCancellation'
        when begun then 'inProgress'
        else 'acknowledged' end
$$;
create function order_own_state(run text, cancelling boolean, attention text, parked boolean, unknown boolean, lines_cancelled text)
        returns text language sql immutable as $$
    select case
        when run is null then null
        when attention = 'open' or attention = 'none' and parked then 'held'
        when attention = 'waits' or unknown then 'pending'
        when run = 'ended' then 'held'
        when run = 'cancelled' then 'cancelled'
        when run = 'completed' then case lines_cancelled when 'none' then 'completed' when 'some' then 'partial' else 'cancelled' end
        when cancelling then 'pendingCancellation'
        when run = 'accepted' then 'acknowledged'
        else 'inProgress' end
$$;

create view fallout_v1.order_items with (security_barrier) as
select o.external_id as order_id, i.line_id, i.parent_line_id, i.action, i.offering_id, i.offering_name, i.quantity, i.owner_state,
       order_line_state(r.state, r.cancel_requested, c.attention, s.begun, s.parked, s.unknown, s.cancelled) as state
from order_item i join product_order o on o.id = i.order_id
left join lateral (select * from order_run r where r.order_id = i.order_id order by r.run desc limit 1) r on true
left join lateral (
    select count(*) > 0 as begun, coalesce(bool_or(s.state = 'parked'), false) as parked,
           coalesce(bool_and(s.state = 'cancelled'), false) as cancelled,
           coalesce(bool_or(exists (select from attempt a where a.step_id = s.id and a.state = 'unknown')), false) as unknown
    from step s where s.order_run_id = r.id and s.line_id = i.line_id) s on true
left join lateral (
    select case when count(*) = 0 then 'none' when bool_and(c.status = 'waiting') then 'waits' else 'open' end as attention
    from fallout_case c join step s on s.id = c.step_id
    where c.related_order_id = i.order_id and s.line_id = i.line_id
      and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) c on true
where i.tenant_id = (select fallout_v1.tenant());
comment on view fallout_v1.order_items is 'the lines of each order, as their owner and our ledger say they stand';

create view fallout_v1.orders with (security_barrier) as
select o.external_id as order_id, x.customer_id, x.category, x.value_amount as value, x.value_unit as currency, x.promised_at,
       x.requested_at, x.priority, x.external_references, x.owner_state,
       order_own_state(r.state, r.cancel_requested, c.attention, s.parked, s.unknown,
           case when s.lines = 0 or s.lines_cancelled = 0 then 'none' when s.lines_cancelled < i.lines then 'some' else 'all' end) as state,
       c.open_cases, r.run, o.created_at as taken_in_at, r.ended_at, x.as_of
from order_context x join product_order o on o.id = x.order_id
left join lateral (select * from order_run r where r.order_id = x.order_id order by r.run desc limit 1) r on true
left join lateral (select count(*) as lines from order_item i where i.order_id = x.order_id) i on true
left join lateral (
    select coalesce(bool_or(l.parked), false) as parked, coalesce(bool_or(l.unknown), false) as unknown,
           count(*) filter (where l.line_id <> '') as lines,
           count(*) filter (where l.line_id <> '' and l.cancelled) as lines_cancelled
    from (select s.line_id, bool_or(s.state = 'parked') as parked, bool_and(s.state = 'cancelled') as cancelled,
                 bool_or(exists (select from attempt a where a.step_id = s.id and a.state = 'unknown')) as unknown
          from step s where s.order_run_id = r.id group by s.line_id) l) s on true
left join lateral (
    select count(*) as open_cases,
           case when count(*) = 0 then 'none' when bool_and(c.status = 'waiting') then 'waits' else 'open' end as attention
    from fallout_case c where c.related_order_id = x.order_id
      and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) c on true
where x.tenant_id = (select fallout_v1.tenant());
comment on view fallout_v1.orders is 'what is known of each order, and how it stands, as its owner and our ledger say';
