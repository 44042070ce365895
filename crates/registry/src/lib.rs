//! Models in the bucket: reading them whole, publishing, promoting, listing, retiring; the text
//! encoder that is installed beside them; and catalogues, for processes to begin with.

pub mod catalogues;
pub mod encoders;
pub mod listing;
pub mod load;
pub mod promotion;
pub mod publish;
pub mod retention;
