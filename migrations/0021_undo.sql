-- Taking effects back: a step of direction `undo` bears the identity of the step whose effect it takes back.

-- What an undo proves or a person attests at it is true of the effect in the same transaction, whoever writes: an order must
-- never be sent to the same undo twice, nor end as cancelled while an effect of it exists.
create function undo_marks_its_effect() returns trigger language plpgsql as $$
begin
    update step set undone = true, updated_at = now()
    where order_run_id = new.order_run_id and line_id = new.line_id and step_code = new.step_code and direction = 'do'
      and not undone;
    return null;
end $$;
create trigger undo_marks_its_effect after update of state on step for each row
    when (new.direction = 'undo' and new.state in ('done', 'skipped') and old.state <> new.state)
    execute function undo_marks_its_effect();

-- Taking back what was never made would be an effect of its own.
create function undo_of_an_effect() returns trigger language plpgsql as $$
begin
    if not exists (
        select 1 from step s join attempt a on a.step_id = s.id
        where s.order_run_id = new.order_run_id and s.line_id = new.line_id and s.step_code = new.step_code
          and s.direction = 'do' and coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success'
    ) then
        perform ledger_refuse('undo_of_an_effect', format('step %s takes back an effect that the ledger does not have', new.id));
    end if;
    return null;
end $$;
create trigger undo_of_an_effect after insert or update of state on step for each row
    when (new.direction = 'undo' and new.state = 'running')
    execute function undo_of_an_effect();

-- Who had an order cancelled, and why: also where no case was open that could tell.
alter table order_run add column cancelled_by text, add column cancel_reason text, add column cancelled_at timestamptz;
update order_run set cancelled_by = 'unknown', cancel_reason = 'before this was kept', cancelled_at = now() where cancel_requested;
alter table order_run add constraint order_run_cancelled_by_someone
    check (cancel_requested = (cancelled_by is not null and cancel_reason is not null and cancelled_at is not null));
