-- Orders as they came, and each start of their fulfilment.

create table product_order (
    id          uuid primary key,
    tenant_id   text not null check (tenant_id <> ''),
    -- the id the outside knows: any text, unique only within its tenant
    external_id text not null,
    customer_id text,
    -- the TMF622 document; the engine gets ids and small values only
    document    jsonb not null,
    created_at  timestamptz not null default now(),
    unique (tenant_id, external_id)
);

create table order_run (
    id                  uuid primary key,
    tenant_id           text not null,
    order_id            uuid not null references product_order (id),
    run                 int not null check (run > 0),
    -- `<tenant>:<order id>:<run>`. Unique: the engine takes the same business key twice, this row does not, so an answer
    -- to a start that was lost cannot start an order twice.
    business_key        text not null unique,
    process_instance_id text unique,
    state               text not null default 'accepted'
                        check (state in ('accepted', 'running', 'completed', 'cancelled', 'ended')),
    cancel_requested    boolean not null default false,
    -- the end event the engine reached; an instance that merely ended has none of ours
    end_event           text,
    created_at          timestamptz not null default now(),
    started_at          timestamptz,
    ended_at            timestamptz,
    unique (order_id, run),
    check ((state = 'accepted') = (process_instance_id is null)),
    check ((state in ('completed', 'cancelled', 'ended')) = (ended_at is not null))
);
create index order_run_running on order_run (created_at) where state in ('accepted', 'running');
