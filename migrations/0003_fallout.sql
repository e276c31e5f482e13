-- Fallout cases: the source of truth for recovery work (not for the order).

create sequence fallout_case_number start 100001;

create table fallout_case (
    id                      uuid primary key,
    tenant_id               text not null,
    case_number             text not null,
    -- the category of the taxonomy
    case_type               text not null,
    severity                text not null check (severity in ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    status                  text not null check (status in ('detected', 'classified', 'assigned', 'in_progress', 'waiting',
                            'awaiting_approval', 'recovering', 'verifying', 'resolved', 'closed', 'force_closed', 'unresolved',
                            'reopened', 'duplicate')),
    source                  text not null,
    classification_code     text,
    customer_id             text,
    -- our id of the order; its outside id is in product_order.external_id
    related_order_id        uuid references product_order (id),
    related_quote_id        uuid,
    related_change_order_id uuid,
    process_instance_id     text,
    business_key            text,
    external_system         text,
    external_reference      text,
    diagnostic_summary      text,
    recommended_action      text,
    assigned_group          text,
    assigned_user           text,
    sla_due_at              timestamptz,
    resolved_at             timestamptz,
    closed_at               timestamptz,
    version                 int not null default 1,
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    step_id                 uuid references step (id),
    -- tenant + order + line + step + classification + downstream, for signals that know no step
    match_key               text not null,
    unique (tenant_id, case_number),
    check (status = 'detected' or classification_code is not null),
    check ((status = 'resolved') <= (resolved_at is not null))
);
-- One trouble, one case.
create unique index fallout_case_one_active_per_step on fallout_case (step_id)
    where step_id is not null and status not in ('resolved', 'closed', 'force_closed', 'duplicate');
create unique index fallout_case_one_active_per_key on fallout_case (tenant_id, match_key)
    where step_id is null and status not in ('resolved', 'closed', 'force_closed', 'duplicate');
create index fallout_case_active on fallout_case (tenant_id, created_at)
    where status not in ('resolved', 'closed', 'force_closed', 'duplicate');
create index fallout_case_of_order on fallout_case (related_order_id);

create table fallout_event (
    id              uuid primary key,
    tenant_id       text not null,
    fallout_case_id uuid not null references fallout_case (id),
    event_type      text not null,
    actor_type      text not null check (actor_type in ('system', 'user')),
    actor_id        text,
    reason          text,
    payload         jsonb,
    created_at      timestamptz not null default clock_timestamp(),
    check ((actor_type = 'user') <= (actor_id is not null))
);
create index fallout_event_of_case on fallout_event (fallout_case_id, created_at);
create trigger fallout_event_is_append_only before update or delete on fallout_event
    for each row execute function refuse_change();

create table fallout_recovery_action (
    id              uuid primary key,
    tenant_id       text not null,
    fallout_case_id uuid not null references fallout_case (id),
    action_type     text not null,
    status          text not null default 'requested' check (status in ('requested', 'started', 'completed', 'failed')),
    requested_by    text not null,
    reason          text not null check (reason <> ''),
    idempotency_key text not null,
    target_ref      jsonb not null,
    result_payload  jsonb,
    created_at      timestamptz not null default now(),
    completed_at    timestamptz,
    unique (tenant_id, idempotency_key),
    check ((status in ('completed', 'failed')) = (completed_at is not null))
);
create index fallout_recovery_action_of_case on fallout_recovery_action (fallout_case_id, created_at);
alter table step add constraint step_gate_is_an_action foreign key (gate) references fallout_recovery_action (id);

create table fallout_external_signal (
    id                     uuid primary key,
    tenant_id              text not null,
    source_system          text not null,
    source_event_id        text,
    related_external_ref   text,
    normalized_signal_type text not null,
    payload                jsonb not null,
    received_at            timestamptz not null default now(),
    step_id                uuid references step (id),
    fallout_case_id        uuid references fallout_case (id),
    -- null while its case could not be written; a controller goes on
    processed_at           timestamptz,
    unique (tenant_id, source_system, source_event_id)
);
create index fallout_external_signal_unprocessed on fallout_external_signal (id) where processed_at is null;
