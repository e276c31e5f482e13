//! What deployed definitions were found to catch and to branch on.

use std::collections::{BTreeMap, BTreeSet};

use fallout_core::{decide::Catches, task::Definition};
use sqlx::types::Json;

use crate::{StoreError, Tx};

pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<Definition>, StoreError> {
    let row = sqlx::query!(
        r#"select process_key, catches as "catches: Json<BTreeMap<String, Catches>>", branches,
                  embedded as "embedded: Json<BTreeMap<String, BTreeSet<String>>>"
           from definition where process_definition_id = $1"#,
        id,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| Definition {
        id: id.to_owned(),
        key: r.process_key,
        catches: r.catches.0,
        branches: r.branches.into_iter().collect(),
        embedded: r.embedded.0,
    }))
}

pub async fn insert(tx: &mut Tx, definition: &Definition) -> Result<(), StoreError> {
    let branches: Vec<String> = definition.branches.iter().cloned().collect();
    sqlx::query!(
        "insert into definition (process_definition_id, process_key, catches, branches, embedded) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        definition.id, definition.key, Json(&definition.catches) as _, &branches, Json(&definition.embedded) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
