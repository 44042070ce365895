//! Models in the bucket: reading them whole, publishing, promoting, listing, retiring; and the
//! text encoder that is installed beside them.

pub mod encoders;
pub mod listing;
pub mod load;
pub mod promotion;
pub mod publish;
pub mod retention;
