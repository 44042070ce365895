//! Offers, rules and applicants as anybody might write them: whoever may have an offer is shown all of
//! what it costs, and both ways of asking who may have it agree.

#![no_main]

use crossfold_entities::applicant::Applicant;
use crossfold_entities::catalogue::ItemDetails;
use crossfold_entities::definition::Currency;
use crossfold_entities::disclosure::Disclosure;
use crossfold_entities::eligibility::{Assessment, Case, EligibilityRules, assess, is_refused};
use jiff::civil::date;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Asked {
    item: Value,
    rules: EligibilityRules,
    applicant: Option<Applicant>,
    currency: String,
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(Asked { item, rules, applicant, currency }) = serde_json::from_slice(bytes) else {
        return;
    };
    let (Ok(details), Some(currency), Ok(())) =
        (ItemDetails::parse(item), Currency::parse(&currency), rules.check())
    else {
        return;
    };
    let Some(offer) = details.offer.as_deref() else { return };
    let case = Case {
        offer,
        price: details.price,
        currency,
        rules: &rules,
        applicant: applicant.as_ref(),
        today: date(2026, 11, 27),
    };
    match assess(&case) {
        Assessment::Refused(_) => assert!(is_refused(&case)),
        Assessment::Eligible(eligible) => {
            assert!(!is_refused(&case));
            let shown = Disclosure::of(&eligible.quote);
            assert!(shown.is_ok_and(|shown| shown.total_payable >= shown.fees));
        }
    }
});
