//! Opens the artefact of an encoder and encodes one text: as little as a function would carry.
//! Built with one feature after another, its size is what each encoder costs:
//! `benches/encoder.py sizes`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name an artefact")?;
    let encoder = crossfold_text::open(&std::fs::read(path)?)?;
    let text = arguments.next().unwrap_or_default();
    println!("{}: {:?}", encoder.identity(), encoder.encode(&[&text]).row(0).to_vec());
    Ok(())
}
