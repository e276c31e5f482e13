//! Versions of the policies: written once, whole, never changed; and the order that they are asked about.

use fallout_core::{
    ids::RunId,
    policy::{OrderFacts, Policies},
};
use uuid::Uuid;

use crate::{
    StoreError, Tx,
    taxonomy::{Kept, VersionLine, int},
};

/// Keeps the policies of a tenant (`""`: of everybody), each as a row.
pub async fn keep(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    policies: &Policies,
    loaded_by: &str,
) -> Result<Kept, StoreError> {
    let content = serde_json::to_value(policies)?;
    let (version, own) = (int(policies.version)?, int(policies.tenant_version)?);
    let done = sqlx::query!(
        "insert into policy_version (id, tenant_id, version, tenant_version, content, loaded_by)
         values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, version, tenant_version) do nothing",
        id,
        tenant,
        version,
        own,
        content,
        loaded_by,
    );
    if done.execute(tx.conn()).await?.rows_affected() == 1 {
        rows(tx, id).await?;
        return Ok(Kept::Now);
    }
    let same = sqlx::query_scalar!(
        r#"select content = $4 as "same!" from policy_version where tenant_id = $1 and version = $2 and tenant_version = $3"#,
        tenant,
        version,
        own,
        content,
    );
    Ok(if same.fetch_one(tx.conn()).await? { Kept::Before } else { Kept::Differs })
}

async fn rows(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into policy (version_id, tenant_id, kind, code, summary, rank, terms)
         select v.id, v.tenant_id, k.kind, p.row ->> 'code', p.row ->> 'summary', (p.row ->> 'rank')::int,
                p.row - array['code', 'summary', 'rank']
         from policy_version v, unnest(array['cancellation', 'route', 'revision', 'penalty']) as k (kind),
              jsonb_array_elements(v.content -> k.kind) as p (row)
         where v.id = $1",
        id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Every version that was ever kept, the latest first.
pub async fn versions(tx: &mut Tx) -> Result<Vec<VersionLine>, StoreError> {
    let rows = sqlx::query_as!(
        VersionLine,
        "select tenant_id as tenant, version, tenant_version, loaded_by, loaded_at from policy_version
         order by loaded_at desc, tenant_id",
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// What policies are chosen by: the order as it is known now, at the price that its quote was revised to, and the effects of this run that the ledger has.
pub async fn order(tx: &mut Tx, run: RunId) -> Result<OrderFacts, StoreError> {
    let row = sqlx::query!(
        r#"select x.category as "category?", coalesce((price.now ->> 'value')::float8, x.value_amount) as "value?",
                  coalesce(price.now ->> 'unit', x.value_unit) as "unit?", quote.now ->> 'id' as "quote?",
                  coalesce(quote.now ->> 'state' = 'accepted', false) as "accepted!",
                  exists (select from order_item i where i.order_id = o.id and i.action in ('modify', 'delete')) as "is_change!",
                  (select coalesce(array_agg(distinct s.operation), '{}') from step s
                   where s.order_run_id = r.id and s.direction = 'do' and not s.undone
                     and exists (select from attempt a where a.step_id = s.id
                                 and coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success')) as "effects!"
           from order_run r join product_order o on o.id = r.order_id left join order_context x on x.order_id = o.id
           cross join lateral (select coalesce(x.corrected -> '/quote/0', coalesce(x.document, o.document) -> 'quote' -> 0)) as quote (now)
           cross join lateral (select x.corrected #> '{/quote/0,quoteTotalPrice,0,price,dutyFreeAmount}') as price (now)
           where r.id = $1"#,
        run.0,
    );
    let row = row.fetch_one(tx.conn()).await?;
    Ok(OrderFacts {
        segment: row.category,
        value: row.value,
        unit: row.unit,
        effects: row.effects.into_iter().collect(),
        quote: row.quote,
        quote_accepted: row.accepted,
        is_change: row.is_change,
    })
}
