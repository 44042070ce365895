//! The words of the business and what it asks of the world: identifiers, events,
//! catalogues, people, consent, decisions, and the ports to stores, clock and ids.
//!
//! No async runtime, no I/O, no clock, no AWS type.
//!
//! | to find | read |
//! | --- | --- |
//! | what happened, where, to what | [`event`], [`definition`], [`sources`], [`domain_deletion`], [`catalogue`], [`people`] |
//! | who may use it for what | [`consent`], the only door to a [`history`] with its [`item_set`]s of [`digest`]s; [`purpose`] |
//! | what callers write: bodies, money, texts, times | [`json`], [`json_text`], [`decimal`], [`plain_text`], [`text_length`], [`plausible_time`] |
//! | who is who, and how much is kept of them | [`ids`], [`pseudonym`], [`shares`] |
//! | what was served, and what came of it | [`decision`]; in numbers: [`activity`] |
//! | which items a request wants: the language of filters | [`filter`] |
//! | what holds wherever slates are shown | [`placement`], with its [`boost`]s, [`quota`]s, [`diversity`], [`fatigue`] by [`impressions`], and [`exploration`] |
//! | what users are told of by itself, and when | [`campaign`], [`contact`]; each time: [`push`], with a [`sealed_user`] |
//! | what users are served otherwise than usual, and what is measured of it | [`experiment`] |
//! | what credit costs: instalments and yearly rates | [`credit`] |
//! | which credit an item carries, who may have it, and what is shown of it | [`offer`], [`applicant`], [`eligibility`], [`disclosure`] |
//! | so many of something, in words | [`counted`] |
//! | what is asked of the world | [`ports`], [`records`], [`retryable`], [`settings`]; [`machine`]: [`clock`], [`dice`], [`unique_id`] |

pub mod activity;
pub mod applicant;
pub mod basis;
pub mod boost;
pub mod campaign;
pub mod catalogue;
pub mod clock;
pub mod consent;
pub mod contact;
pub mod counted;
pub mod credit;
pub mod decimal;
pub mod decision;
pub mod definition;
pub mod dice;
pub mod digest;
pub mod disclosure;
pub mod diversity;
pub mod domain_deletion;
pub mod eligibility;
pub mod erasure;
pub mod event;
pub mod event_ids;
pub mod event_type;
pub mod experiment;
pub mod exploration;
pub mod fatigue;
pub mod filter;
pub mod history;
pub mod ids;
pub mod impressions;
pub mod item_set;
pub mod json;
pub mod json_text;
pub mod kept_back;
pub mod key_versions;
pub mod machine;
pub mod offer;
pub mod people;
pub mod placement;
pub mod plain_text;
pub mod plausible_time;
pub mod ports;
pub mod pseudonym;
pub mod purpose;
pub mod push;
pub mod quota;
pub mod records;
pub mod retryable;
pub mod sealed_user;
pub mod settings;
pub mod shares;
pub mod sources;
pub mod text_length;
pub mod unique_id;
pub mod utc_offset;
