-- Short ways to write legal rows by hand, so that a case of a test shows only what it is about. Ids are small numbers.

create function id(n int) returns uuid language sql immutable as $$ select lpad(n::text, 32, '0')::uuid $$;
create function intent_id(step int, generation int) returns uuid language sql immutable as $$ select id(step * 10 + generation) $$;
create function attempt_id(step int, number int) returns uuid language sql immutable as $$ select id(step * 1000 + number) $$;
create function outcome(word text) returns jsonb language sql immutable as $$ select jsonb_build_object('outcome', word) $$;

insert into product_order (id, tenant_id, external_id, document) values (id(1), 't', 'o-1', '{}');
insert into order_run (id, tenant_id, order_id, run, business_key, state, process_instance_id, started_at)
values (id(1), 't', id(1), 1, 't:o-1:1', 'running', 'p-1', now());

create procedure begin_step(n int) language sql as $$
    insert into step (id, tenant_id, order_run_id, step_code, direction, operation, process_definition_id, process_instance_id, activity_id, external_task_id)
    values (id(n), 't', id(1), 'step-' || n, 'do', 'op', 'd', 'p-1', 'a', 'task')
$$;
-- The step that takes the effect of step `of` back.
create procedure begin_undo(n int, of int) language sql as $$
    insert into step (id, tenant_id, order_run_id, step_code, direction, operation, process_definition_id, process_instance_id, activity_id, external_task_id)
    values (id(n), 't', id(1), 'step-' || of, 'undo', 'op', 'd', 'p-1', 'a', 'task')
$$;
create procedure decide(step int, generation int, retention_s int default 1000, tenant text default 't') language sql as $$
    insert into intent (id, tenant_id, step_id, generation, operation, operation_version, idempotency_key, request, payload_hash, retention_s)
    values (intent_id(step, generation), tenant, id(step), generation, 'op', 1, step || '.' || generation, '{}', 'hash', retention_s)
$$;
-- `ago` is how long before now it was opened.
create procedure attempt(step int, generation int, number int, epoch int default 0, ago interval default '0', tenant text default 't') language sql as $$
    insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id, opened_at, send_before, over_at)
    values (attempt_id(step, number), tenant, id(step), intent_id(step, generation), number, epoch, 'w', 'task',
            clock_timestamp() - ago, clock_timestamp() + interval '5 s', clock_timestamp() + interval '15 s')
$$;
create procedure settle(step int, nr int, word text) language sql as $$
    update attempt set outcome = outcome(word),
        state = case when word in ('success', 'business', 'technical', 'defect') then 'settled' else 'unknown' end,
        settled_at = case when word in ('success', 'business', 'technical', 'defect') then now() end
    where id = attempt_id(step, nr)
$$;
-- An action takes effect on the step: it is parked, reserved, and runs again in the next epoch.
create procedure act(n int) language plpgsql as $$
declare
    action uuid := gen_random_uuid();
    a_case uuid := gen_random_uuid();
begin
    insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, match_key)
    values (a_case, 't', a_case::text, 'X', 'SEV3', 'classified', 'test', 'X', a_case::text);
    insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key, target_ref)
    values (action, 't', a_case, 'RETRY_STEP', 'test', 'test', action::text, '{}');
    update step set state = 'running' where id = id(n) and state = 'new';
    update step set state = 'parked' where id = id(n);
    update step set gate = action where id = id(n);
    update step set state = 'running', gate = null, epoch = epoch + 1, last_action_id = action where id = id(n);
end $$;
-- A case comes to stand there, with its entry.
create procedure move_case(a_case uuid, becomes text) language sql as $$
    update fallout_case set status = becomes, resolution_code = case when becomes in ('resolved', 'closed') then 'X' end,
        resolved_at = case when becomes in ('resolved', 'closed') then now() end where id = a_case;
    insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type)
        select gen_random_uuid(), tenant_id, id, 'X', 'system' from fallout_case where id = a_case
$$;
create procedure end_run() language sql as $$
    update order_run set state = 'completed', ended_at = now() where id = id(1)
$$;
