//! Small models for tests, written as SentencePiece writes them.

/// A piece, its score, and its kind as the file has it.
pub(crate) fn piece(text: &str, score: f32, kind: u8) -> (String, f32, u8) {
    (text.to_owned(), score, kind)
}

pub(crate) struct TestModel {
    pub(crate) pieces: Vec<(String, f32, u8)>,
    pub(crate) model_type: u8,
    pub(crate) characters: Vec<u8>,
}

impl Default for TestModel {
    fn default() -> Self {
        let pieces = vec![
            piece("<unk>", 0.0, 2),
            piece("<s>", 0.0, 3),
            piece("</s>", 0.0, 3),
            piece("▁a", -1.0, 1),
            piece("▁", -2.0, 1),
            piece("a", -2.5, 1),
            piece("b", -3.0, 1),
            piece("贷", -4.0, 1),
        ];
        Self { pieces, model_type: 1, characters: Vec::new() }
    }
}

fn length_delimited(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![field << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
    message
}

impl TestModel {
    /// With a map that makes a space of a tab and `a` of `A`: a double array by hand. The root's
    /// children lie at 256 xor their byte, their leaves behind an offset of 1 from there.
    pub(crate) fn with_charsmap() -> Self {
        let replacements = b" \0a\0";
        let mut units = vec![0u32; 512];
        units[0] = 256 << 10;
        for (byte, value) in [(b'\t', 0u32), (b'A', 2)] {
            let place = 256 ^ usize::from(byte);
            units[place] = 1 << 10 | 0x100 | u32::from(byte);
            units[place ^ 1] = value | 0x8000_0000;
        }
        let mut characters = (units.len() as u32 * 4).to_le_bytes().to_vec();
        characters.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        characters.extend_from_slice(replacements);
        Self { characters, ..Self::default() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut model = Vec::new();
        for (text, score, kind) in &self.pieces {
            let mut piece = length_delimited(1, text.as_bytes());
            piece.push(2 << 3 | 5);
            piece.extend_from_slice(&score.to_le_bytes());
            piece.extend_from_slice(&[3 << 3, *kind]);
            model.extend(length_delimited(1, &piece));
        }
        model.extend(length_delimited(2, &[3 << 3, self.model_type]));
        model.extend(length_delimited(3, &length_delimited(2, &self.characters)));
        model
    }
}
