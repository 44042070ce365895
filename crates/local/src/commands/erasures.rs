//! `crossfold verify-receipt` and `crossfold find-person`: what proves that someone was erased.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use crossfold_core::entities::erasure::Receipt;
use crossfold_core::entities::ids::UserId;
use crossfold_storage::find_person::find_person as find;
use crossfold_storage::pseudonym_key;
use serde::Deserialize;

use crate::args::{FindPersonArgs, VerifyReceiptArgs};
use crate::local_world::{LocalWorld, TENANT};
use crate::printer;

/// The answer of `GET /v1/erasures/{pseudonym}` as far as its signature goes.
#[derive(Deserialize)]
struct SignedReceipt {
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    left: Vec<String>,
    #[serde(flatten)]
    receipt: serde_json::Map<String, serde_json::Value>,
}

/// Checks the signature of a receipt, read from a file.
pub(crate) fn verify_receipt(directory: &Path, args: &VerifyReceiptArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let signed: SignedReceipt =
        serde_json::from_str(&text).context("the file is no receipt of an erasure")?;
    let Some(signature) = signed.signature else {
        bail!("the erasure was not complete: {} were left to visit", signed.left.join(", "));
    };
    let receipt: Receipt = serde_json::from_value(signed.receipt.into())
        .context("the file is no receipt of an erasure")?;
    let keys = match &args.keys {
        None => pseudonym_key::from_directory(directory, TENANT)?,
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            pseudonym_key::parse(&text, &args.tenant)?
        }
    };
    if !keys.is_signed(&receipt, &signature) {
        bail!("the signature is none of these keys', or the receipt was changed");
    }
    println!("the receipt is genuine: {} of {}", receipt.pseudonym, receipt.domain);
    println!("  asked for {}, complete {}", receipt.requested_at, receipt.finished_at);
    for (place, deleted) in &receipt.deleted {
        println!("  {:<20} {deleted}", place.as_str());
    }
    if receipt.unreadable_files > 0 {
        println!("  {:<20} {}", "unreadable files", receipt.unreadable_files);
    }
    Ok(())
}

/// Looks for everything that is kept of a user.
pub(crate) async fn find_person(directory: &Path, args: &FindPersonArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await?;
    world.carry_streams().await?;
    let user = UserId::parse(&args.user)?;
    let pseudonym = world.pseudonym(&args.domain, &user);
    let found: BTreeMap<String, u64> = find(world.stores(), &pseudonym).await?;
    if args.json {
        return printer::json(&serde_json::json!({ "pseudonym": pseudonym, "found": found }));
    }
    if found.is_empty() {
        println!("nothing is kept of this user of {}", args.domain);
        return Ok(());
    }
    println!("{pseudonym} of {}:", args.domain);
    for (place, records) in found {
        println!("  {records:>8}  {place}");
    }
    Ok(())
}
