-- The gate of a step that is at work: an action waits for the end of what is under way, and nothing follows that.

-- The action that asked for the step while it was at work. Beside the gate it says that the step would go on without it.
alter table step add column stop uuid references fallout_recovery_action (id),
    add constraint step_that_ended_waits_for_nothing check (stop is null or state in ('running', 'awaiting_callback', 'parked'));

-- One state more, whatever the states are that stand here.
do $$
declare
    states text;
begin
    select pg_get_expr(conbin, conrelid) into strict states from pg_constraint
    where conrelid = 'fallout_recovery_action'::regclass and conname = 'action_state_is_known';
    alter table fallout_recovery_action drop constraint action_state_is_known;
    execute format('alter table fallout_recovery_action add constraint action_state_is_known check (%s or status = ''stopping'')', states);
end $$;
create unique index action_one_stopping on fallout_recovery_action (fallout_case_id) where status = 'stopping';

-- As fallout_core::case::next; a test compares them. An action may come to a step whose last one is being verified.
create or replace function case_may_become(was text, becomes text) returns boolean language sql immutable as $$
    select case was
        when 'detected'          then becomes in ('classified')
        when 'classified'        then becomes in ('assigned', 'in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'assigned'          then becomes in ('in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'in_progress'       then becomes in ('assigned', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'reopened'          then becomes in ('assigned', 'in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'waiting'           then becomes in ('assigned', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'unresolved'        then becomes in ('assigned', 'waiting', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'awaiting_approval' then becomes in ('in_progress', 'force_closed')
        when 'recovering'        then becomes in ('classified', 'verifying')
        when 'verifying'         then becomes in ('classified', 'recovering', 'resolved', 'reopened', 'force_closed')
        when 'resolved'          then becomes in ('verifying', 'closed', 'reopened')
        when 'closed'            then becomes in ('verifying', 'reopened')
        when 'force_closed'      then becomes in ('reopened')
        when 'duplicate'         then becomes in ('reopened')
        else false end
$$;
