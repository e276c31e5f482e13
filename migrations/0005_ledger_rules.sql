-- What the ledger refuses, whoever writes. Every refusal is a check violation (23514) that carries its rule as constraint
-- name and says what stands in the way.
--
-- A rule that reads other rows takes the step's row first, so it holds also when two transactions race. That needs
-- snapshots per statement, hence the refusal of other isolation levels. Tenant and step of a row are compared here and not by composite
-- foreign keys: they can never change, and two more indexes would be paid by every task.

create function ledger_refuse(rule text, why text) returns void language plpgsql as $$
begin
    raise exception using errcode = 'check_violation', constraint = rule, message = why;
end $$;

create function ledger_refuse_isolation() returns void language sql as $$
    select ledger_refuse('ledger_is_read_committed', 'the ledger is written in read committed transactions: others do not see what was committed while they waited for the step')
$$;

-- The downstream keeps the key that long, counted from the intent's first attempt; null: it recognises nothing.
alter table intent add column retention_s int check (retention_s > 0);

-- What came of a step whose rows were archived: a step that is found here is never performed again.
create table step_tombstone (
    step_id      uuid primary key,
    tenant_id    text not null,
    -- business key, line, step and direction, for people
    identity     text not null,
    generation   int not null,
    -- of the latest generation; null when nothing was ever decided
    last_key     text,
    payload_hash text,
    state        text not null,
    archived_at  timestamptz not null default now(),
    check ((generation = 0) = (last_key is null))
);
alter table order_run add column archived_at timestamptz check (archived_at is null or ended_at is not null);
create index order_run_to_archive on order_run (tenant_id, id) where archived_at is null and ended_at is not null;

-- Declared by an operator: what was written in this stretch of time may be missing.
create table restore_window (
    id          bigint generated always as identity primary key,
    lost_from   timestamptz not null,
    lost_to     timestamptz not null,
    reason      text not null check (reason <> ''),
    declared_by text not null check (declared_by <> ''),
    declared_at timestamptz not null default now(),
    unique (lost_from, lost_to),
    check (lost_from < lost_to),
    -- nobody knows yet what a stretch that goes on will have lost
    check (lost_to <= declared_at)
);
-- What may be missing of a run, all declared windows together.
alter table order_run add column lost_from timestamptz, add column lost_to timestamptz,
    add check ((lost_from is null) = (lost_to is null));
-- Up to here an assumed attempt stands for what was lost of the step.
alter table step add column restored_to timestamptz;

-- Evidence that comes after its attempt was settled. What the attempt was settled by stays as it is; a proof that the effect
-- exists after all stands beside it and counts from then on, so that nothing is sent again.
alter table attempt add column contradicted_by jsonb
    check (contradicted_by is null or state = 'settled' and contradicted_by ->> 'outcome' = 'success');

-- Attempts ---------------------------------------------------------------------------------------------------------

-- The word of an outcome and the state of its attempt say the same.
alter table attempt add constraint attempt_outcome_fits check (outcome is null
    or (state = 'settled') = (outcome ->> 'outcome' in ('success', 'business', 'technical', 'defect')));

drop trigger attempt_same_key on attempt;
drop function attempt_follows_the_rules();

create function attempt_may_begin() returns trigger language plpgsql as $$
declare
    s step;
    i intent;
    any_open boolean;
    other_intent boolean;
    applied boolean;
    unresolved text;
    first_opened timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform ledger_refuse_isolation();
    end if;
    select * into s from step where id = new.step_id for no key update;
    select * into i from intent where id = new.intent_id;
    if i.step_id <> new.step_id or i.tenant_id <> new.tenant_id then
        perform ledger_refuse('attempt_of_its_step', format('intent %s belongs to another step or tenant than attempt %s', i.id, new.id));
    end if;
    if exists (select 1 from intent later where later.step_id = new.step_id and later.generation > i.generation) then
        perform ledger_refuse('attempt_of_latest_generation', format('generation %s of step %s is superseded', i.generation, s.id));
    end if;
    if new.state = 'settled' or new.state = 'unknown' and not exists (select 1 from order_run r where r.id = s.order_run_id and r.lost_to is not null) then
        perform ledger_refuse('attempt_begins_open', 'an attempt begins open; it begins unknown only where a restore may have lost one');
    end if;
    if new.opened_at > clock_timestamp() then
        perform ledger_refuse('attempt_begins_now', 'an attempt cannot begin in the future: the retention of its key would be counted wrongly');
    end if;
    select bool_or(a.state = 'open'), bool_or(a.state <> 'settled' and a.intent_id <> new.intent_id),
           bool_or(a.intent_id = new.intent_id and coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success'),
           (array_agg(a.outcome ->> 'outcome' order by a.number desc) filter (where a.state <> 'settled'))[1],
           min(a.opened_at) filter (where a.intent_id = new.intent_id)
    into any_open, other_intent, applied, unresolved, first_opened
    from attempt a where a.step_id = new.step_id;
    if any_open then
        perform ledger_refuse('attempt_one_open', format('step %s has an open attempt: its sender may be at work', s.id));
    end if;
    if other_intent then
        perform ledger_refuse('attempt_same_key', format('step %s has an unresolved attempt of another intent', s.id));
    end if;
    -- What is assumed after a restore sends nothing.
    if new.state = 'unknown' then
        return new;
    end if;
    if s.state not in ('new', 'running', 'awaiting_callback') then
        perform ledger_refuse('attempt_of_live_step', format('step %s is %s: it takes no attempt without an action', s.id, s.state));
    end if;
    if applied then
        perform ledger_refuse('attempt_before_effect', format('the effect of intent %s exists', i.id));
    end if;
    -- As decide.rs does: only a replayable, and a tenth of the retention is margin for the downstream's clock.
    if unresolved is not null and not (unresolved = 'replayable' and i.retention_s is not null
            and clock_timestamp() < first_opened + make_interval(secs => i.retention_s * 0.9)) then
        perform ledger_refuse('attempt_inside_retention', format('whether intent %s was applied is not known, and its key is not surely recognised any more', i.id));
    end if;
    return new;
end $$;
create trigger attempt_may_begin before insert on attempt
    for each row execute function attempt_may_begin();

drop trigger attempt_forward on attempt;
drop function attempt_moves_forward();

-- A result may become definite, never the other way, and what was tried stays what it was.
create function attempt_may_change() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.step_id, new.intent_id, new.number, new.epoch, new.worker_id, new.external_task_id, new.opened_at, new.send_before, new.over_at)
       is distinct from (old.id, old.tenant_id, old.step_id, old.intent_id, old.number, old.epoch, old.worker_id, old.external_task_id, old.opened_at, old.send_before, old.over_at) then
        perform ledger_refuse('attempt_is_what_was_tried', format('attempt %s: what was tried, by whom and when cannot change', old.id));
    end if;
    if old.state = 'settled' and (new.state, new.outcome, new.settled_at) is distinct from (old.state, old.outcome, old.settled_at) then
        perform ledger_refuse('attempt_settled_once', format('attempt %s is settled; later evidence is appended', old.id));
    end if;
    if old.state = 'unknown' and new.state = 'open' then
        perform ledger_refuse('attempt_forward', format('attempt %s cannot go from unknown to open', old.id));
    end if;
    return new;
end $$;
create trigger attempt_may_change before update of id, tenant_id, step_id, intent_id, number, epoch, worker_id,
        external_task_id, opened_at, send_before, over_at, state, outcome, settled_at on attempt
    for each row execute function attempt_may_change();

-- Intents ----------------------------------------------------------------------------------------------------------

-- A generation rises only by an action, and only over an intent that is proven not applied, or undone.
create function intent_may_be_decided() returns trigger language plpgsql as $$
declare
    s step;
    earlier boolean;
    unresolved boolean;
    applied boolean;
    last_epoch int;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform ledger_refuse_isolation();
    end if;
    select * into s from step where id = new.step_id for no key update;
    if s.tenant_id <> new.tenant_id then
        perform ledger_refuse('intent_of_its_step', format('step %s belongs to another tenant', s.id));
    end if;
    if exists (select 1 from step_tombstone t where t.step_id = new.step_id) then
        perform ledger_refuse('step_has_no_tombstone', format('step %s was archived: it is never performed again', new.step_id));
    end if;
    if new.generation = 1 then
        return new;
    end if;
    select count(*) > 0, bool_or(a.state <> 'settled'), bool_or(coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success'), max(a.epoch)
    into earlier, unresolved, applied, last_epoch
    from intent i left join attempt a on a.intent_id = i.id
    where i.step_id = new.step_id and i.generation = new.generation - 1;
    if not earlier then
        perform ledger_refuse('intent_follows', format('step %s has no generation %s', s.id, new.generation - 1));
    end if;
    if unresolved or applied and not s.undone then
        perform ledger_refuse('intent_after_proof', format('generation %s of step %s is not proven not applied, nor undone', new.generation - 1, s.id));
    end if;
    if last_epoch >= s.epoch then
        perform ledger_refuse('intent_after_action', format('no action was taken on step %s since generation %s was tried', s.id, new.generation - 1));
    end if;
    -- What was undone is the effect of the generation before.
    update step set undone = false where id = new.step_id and undone;
    return new;
end $$;
create trigger intent_may_be_decided before insert on intent
    for each row execute function intent_may_be_decided();

-- Steps ------------------------------------------------------------------------------------------------------------

-- As StepState::may_become; a test compares them.
create function step_may_become(was text, becomes text) returns boolean language sql immutable as $$
    select (was, becomes) in (
        ('new', 'running'), ('new', 'parked'), ('new', 'done'), ('new', 'cancelled'), ('new', 'rejected'),
        ('running', 'awaiting_callback'), ('running', 'parked'), ('running', 'done'), ('running', 'skipped'),
        ('running', 'cancelled'), ('running', 'rejected'),
        ('awaiting_callback', 'running'), ('awaiting_callback', 'parked'), ('awaiting_callback', 'done'),
        ('awaiting_callback', 'cancelled'), ('awaiting_callback', 'rejected'),
        ('parked', 'running'))
$$;

-- After the insert: it may have waited for an archiving transaction that deleted the row, and whose stone is seen only now.
create function step_may_begin() returns trigger language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform ledger_refuse_isolation();
    end if;
    if new.state not in ('new', 'running') or new.epoch <> 0 then
        perform ledger_refuse('step_begins_new', 'a step begins new or running, in epoch 0');
    end if;
    if exists (select 1 from step_tombstone t where t.step_id = new.id) then
        perform ledger_refuse('step_has_no_tombstone', format('step %s was archived: it is never performed again', new.id));
    end if;
    return null;
end $$;
create trigger step_may_begin after insert on step
    for each row execute function step_may_begin();

create function step_may_change() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.order_run_id, new.line_id, new.step_code, new.direction)
       <> (old.id, old.tenant_id, old.order_run_id, old.line_id, old.step_code, old.direction) then
        perform ledger_refuse('step_is_itself', format('what makes step %s itself cannot change', old.id));
    end if;
    if new.state <> old.state and not step_may_become(old.state, new.state) then
        perform ledger_refuse('step_moves', format('step %s cannot go from %s to %s', old.id, old.state, new.state));
    end if;
    -- A new epoch is the proof that an action took effect: it lets a rejected effect be decided anew.
    if new.epoch <> old.epoch and (new.epoch <> old.epoch + 1 or old.gate is null or new.last_action_id is distinct from old.gate) then
        perform ledger_refuse('step_epoch', format('the epoch of step %s rises by one, and only with the action that has its gate', old.id));
    end if;
    return new;
end $$;
create trigger step_may_change before update of id, tenant_id, order_run_id, line_id, step_code, direction, state, epoch on step
    for each row execute function step_may_change();

-- Nothing is lost --------------------------------------------------------------------------------------------------

create function tombstone_of_ended_step() returns trigger language plpgsql as $$
declare
    s step;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform ledger_refuse_isolation();
    end if;
    select * into s from step where id = new.step_id for update;
    if s.id is null or s.state not in ('done', 'skipped', 'cancelled', 'rejected')
       or not exists (select 1 from order_run r where r.id = s.order_run_id and r.ended_at is not null) then
        perform ledger_refuse('tombstone_of_ended_step', format('step %s is %s: only an ended step of an ended order run is archived', new.step_id, coalesce(s.state, 'not there')));
    end if;
    if exists (select 1 from attempt a where a.step_id = s.id and a.state <> 'settled') then
        perform ledger_refuse('tombstone_of_ended_step', format('step %s has an attempt that is not settled', s.id));
    end if;
    if exists (select 1 from fallout_case c where c.step_id = s.id and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) then
        perform ledger_refuse('tombstone_of_ended_step', format('step %s has an active case', s.id));
    end if;
    return new;
end $$;
create trigger tombstone_of_ended_step before insert on step_tombstone
    for each row execute function tombstone_of_ended_step();

-- Rows of the ledger go only with a tombstone in their place, and those never go.
create function only_archived() returns trigger language plpgsql as $$
declare
    step_of uuid;
begin
    step_of := case tg_table_name
        when 'step' then to_jsonb(old) ->> 'id'
        when 'evidence' then (select a.step_id::text from attempt a where a.id = (to_jsonb(old) ->> 'attempt_id')::uuid)
        else to_jsonb(old) ->> 'step_id' end;
    if not exists (select 1 from step_tombstone t where t.step_id = step_of) then
        perform ledger_refuse('ledger_keeps', format('a row of %s is deleted only by archive_run, which leaves a tombstone', tg_table_name));
    end if;
    return old;
end $$;

create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    perform ledger_refuse('append_only', format('%s keeps what it has: %s is refused', tg_table_name, lower(tg_op)));
    return null;
end $$;

drop trigger evidence_is_append_only on evidence;
drop trigger intent_is_immutable on intent;
create trigger evidence_is_append_only before update on evidence for each row execute function refuse_change();
-- Intents are what was decided: the same bytes for ever.
create trigger intent_is_immutable before update on intent for each row execute function refuse_change();
create trigger step_tombstone_is_append_only before update or delete on step_tombstone for each row execute function refuse_change();
create trigger restore_window_is_append_only before update or delete on restore_window for each row execute function refuse_change();

create trigger step_is_kept before delete on step for each row execute function only_archived();
create trigger intent_is_kept before delete on intent for each row execute function only_archived();
create trigger attempt_is_kept before delete on attempt for each row execute function only_archived();
create trigger evidence_is_kept before delete on evidence for each row execute function only_archived();

create trigger step_is_not_truncated before truncate on step for each statement execute function refuse_change();
create trigger intent_is_not_truncated before truncate on intent for each statement execute function refuse_change();
create trigger attempt_is_not_truncated before truncate on attempt for each statement execute function refuse_change();
create trigger evidence_is_not_truncated before truncate on evidence for each statement execute function refuse_change();
create trigger step_tombstone_is_not_truncated before truncate on step_tombstone for each statement execute function refuse_change();
create trigger restore_window_is_not_truncated before truncate on restore_window for each statement execute function refuse_change();

-- Cases and signals outlive the step they were about.
alter table fallout_case drop constraint fallout_case_step_id_fkey,
    add constraint fallout_case_step_id_fkey foreign key (step_id) references step (id) on delete set null;
create index fallout_case_of_step on fallout_case (step_id) where step_id is not null;
alter table fallout_external_signal drop constraint fallout_external_signal_step_id_fkey,
    add constraint fallout_external_signal_step_id_fkey foreign key (step_id) references step (id) on delete set null;
create index fallout_external_signal_of_step on fallout_external_signal (step_id) where step_id is not null;

-- Takes the ledger of an ended run away and leaves a tombstone per step; the run's row stays, so that the same order cannot
-- be started as the same run again. Returns how many steps it were.
create function archive_run(a_run uuid) returns int language plpgsql as $$
declare
    steps int;
begin
    perform 1 from order_run r where r.id = a_run and r.ended_at is not null for update;
    if not found then
        perform ledger_refuse('archive_of_ended_run', format('order run %s has not ended', a_run));
    end if;
    insert into step_tombstone (step_id, tenant_id, identity, generation, last_key, payload_hash, state)
    select s.id, s.tenant_id, concat_ws('/', r.business_key, nullif(s.line_id, ''), s.step_code, s.direction),
           coalesce(i.generation, 0), i.idempotency_key, i.payload_hash, s.state
    from step s join order_run r on r.id = s.order_run_id
    left join lateral (select * from intent where step_id = s.id order by generation desc limit 1) i on true
    where s.order_run_id = a_run order by s.created_at, s.id;
    get diagnostics steps = row_count;
    delete from evidence e using attempt a, step s where e.attempt_id = a.id and a.step_id = s.id and s.order_run_id = a_run;
    delete from attempt a using step s where a.step_id = s.id and s.order_run_id = a_run;
    delete from intent i using step s where i.step_id = s.id and s.order_run_id = a_run;
    delete from step where order_run_id = a_run;
    update order_run set archived_at = now() where id = a_run;
    return steps;
end $$;

-- Our own lost commits -----------------------------------------------------------------------------------------------

-- One row that an unclean end of the server empties. While it is the same, the number of a transaction means that
-- transaction; after a crash the server may give the number of a lost one to another.
create unlogged table server_life (
    one boolean primary key default true check (one),
    id  uuid not null default gen_random_uuid()
);
insert into server_life default values;
