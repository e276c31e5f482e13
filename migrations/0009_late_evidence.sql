-- Evidence that comes after its attempt was settled. What the attempt was settled by stays as it is; a proof that the effect
-- exists after all stands beside it and counts from then on, so that nothing is sent again.
alter table attempt add column contradicted_by jsonb
    check (contradicted_by is null or state = 'settled' and contradicted_by ->> 'outcome' = 'success');
