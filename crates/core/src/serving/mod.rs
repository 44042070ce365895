//! Making slates: one pure function, [`decide::decide`], in plain stages.
//!
//! | stage | read | what it does |
//! | --- | --- | --- |
//! | admit | [`admit`], [`rules`] | what of the person's history may be used for each target, and which items may be served at all |
//! | score | [`sources`] | opens the sources of scores for each target: one file a source |
//! | blend | [`blend`] | makes one score an item of what the sources say, and of what the caller boosts ([`boosts`]) and the user was shown often ([`fatigue`]) |
//! | arrange | `choose`, [`best`], [`arrange`] | chooses each target's best, as a diverse or calibrated whole where that is asked for ([`diversify`], `interests`), within its `quotas`, and lets the targets take turns, each with its best |
//! | explore | [`explore`] | draws what is shown, and says with what probability |
//! | promote | [`promote`] | gives what the caller promotes its places |
//! | explain | [`explain`], [`reason`], [`offers`] | titles, why each item is there, and what its offer costs |
//!
//! [`profile`] tells what is known of a person, from what a slate may use of them.
//! [`inspect`] tells, when asked, what the slate was chosen from. [`policy`] names the composition; [`request`] and [`snapshot`] are what goes in.
//! [`similar`] tells which items are like another, without a person.
//! [`segment_text`] puts segments and topics into words.
//! [`served`] tells what slates that were served say of a catalogue and of a filter.
//! [`replay`] makes a logged decision again, or says what is no longer as it was.
//! What comes out is the decision as it is logged, and what the answer needs beside
//! it. The instant, the recommendation's id and the seed of every random choice are
//! part of the request: the same inputs give the same decision.

pub mod admit;
pub mod arrange;
mod basis;
pub mod best;
pub mod blend;
pub mod boosts;
pub mod catalogue_facts;
mod choose;
pub mod decide;
pub mod diversify;
pub mod explain;
pub mod explore;
pub mod explore_share;
pub mod fatigue;
pub mod inspect;
mod interests;
pub mod offers;
pub mod policy;
pub mod profile;
pub mod promote;
mod quotas;
pub mod reason;
pub mod replay;
pub mod request;
pub mod rules;
pub mod segment_text;
pub mod served;
pub mod similar;
pub mod snapshot;
pub mod sources;

#[cfg(test)]
mod tests;
