-- Evidence that comes after its attempt was settled. What the attempt was settled by stays as it is; a proof that the effect
-- exists after all stands beside it and counts from then on, so that nothing is sent again.
alter table attempt add column contradicted_by jsonb
    check (contradicted_by is null or state = 'settled' and contradicted_by ->> 'outcome' = 'success');

-- What people do to parked tasks in the engine: the step that a task stood for, and those to look after. Partial, so that
-- the steps that never park pay nothing.
create index step_parked_task on step (external_task_id) where state = 'parked';
create index step_parked on step (updated_at) where state = 'parked';
