//! From events to weighed rows: what may be used, and how much it counts.

pub mod ageing;
pub(crate) mod arrivals;
pub mod behaviours;
pub mod cleaning;
pub mod confidences;
pub mod event_table;
pub mod inputs;
pub mod item_facts;
pub mod item_rows;
pub mod item_vectors;
pub mod items;
pub mod order;
pub mod people_index;
pub mod popularity;
pub mod rows;
pub mod scaling;
