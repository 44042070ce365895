//! Models in the bucket: reading them whole, publishing, promoting, listing, retiring.

pub mod listing;
pub mod load;
pub mod promotion;
pub mod publish;
pub mod retention;
