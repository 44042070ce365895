//! `crossfold import`: every kind of file, by the real binary.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use axum::body::Body;
use axum::http::Request;
use crossfold_local::local_world::LocalWorld;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A directory with files to import and a data directory.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_crossfold"))
            .env_remove("CROSSFOLD_TOKEN")
            .env_remove("RUST_BACKTRACE")
            .arg("--data-dir")
            .arg(self.path("data"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Imports a file, and gives the exit status, and the result or the error.
    fn import(&self, file: &Path, options: &[&str]) -> (i32, Value) {
        let arguments = ["import", file.to_str().unwrap(), "--domain", "shop", "--json"];
        let output = self.run(&[&arguments[..], options].concat());
        let result = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned().into());
        (output.status.code().unwrap(), result)
    }

    /// Deletes the domain of the imports.
    async fn delete_domain(&self) {
        let world = LocalWorld::open(&self.path("data")).await.unwrap();
        let request = Request::delete("/v1/domains/shop?confirm=shop").body(Body::empty()).unwrap();
        let answer = world.router().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    async fn get(&self, path: &str) -> Value {
        let world = LocalWorld::open(&self.path("data")).await.unwrap();
        world.client().get(path).await.unwrap()
    }
}

const PLAIN: &str = "user_id,item_id,type,occurred_at,value\n\
    u1,i1,view,2026-06-01T08:00:00Z,12.5\n\
    u2,\"i,2\",view,2026-06-01T09:00:00+08:00,3\n\
    00042,007,view,1750000000,\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

fn utf_16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn parquet() -> Vec<u8> {
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message m { REQUIRED BYTE_ARRAY userId (STRING); REQUIRED INT64 movieId; \
        REQUIRED INT64 timestamp (TIMESTAMP(MILLIS, true)); }";
    let schema = parquet::schema::parser::parse_message_type(schema).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(Default::default()))
        .build();
    let mut file = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut file, schema.into(), properties.into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let users: Vec<ByteArray> = ["u1", "u2", "u3"].map(ByteArray::from).into();
    column.typed::<ByteArrayType>().write_batch(&users, None, None).unwrap();
    column.close().unwrap();
    for values in [[31, 1029, 31], [1_260_759_144_000, 1_260_759_179_000, 835_355_493_000]] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    file
}

/// A file's name and content, the options it needs, and how many rows are taken and refused.
type Kind = (&'static str, Vec<u8>, &'static [&'static str], u64, u64);

/// Every kind of file: a name, its content, options, and how many of its rows are taken
/// and refused.
fn kinds() -> Vec<Kind> {
    let plain = PLAIN.as_bytes();
    let latin_1 = PLAIN.replace("i1", "caf\u{e9}").chars().map(|c| c as u8).collect::<Vec<u8>>();
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("plain.csv", plain.to_vec(), &[], 3, 0),
        ("bom.csv", [b"\xef\xbb\xbf", plain].concat(), &[], 3, 0),
        ("crlf.csv", text(&PLAIN.replace('\n', "\r\n")), &[], 3, 0),
        ("cr.csv", text(&PLAIN.replace('\n', "\r")), &[], 3, 0),
        ("utf16.csv", utf_16(PLAIN), &[], 3, 0),
        ("latin1.csv", latin_1, &[], 3, 0),
        ("gz_no_suffix.csv", gzip(plain), &[], 3, 0),
        ("plain_with_suffix.csv.gz", plain.to_vec(), &[], 3, 0),
        ("upper.csv.GZ", gzip(plain), &[], 3, 0),
        ("zstd.csv", zstd::encode_all(plain, 1).unwrap(), &[], 3, 0),
        ("zip.csv.zip", zip("a.csv", plain), &[], 3, 0),
        ("parquet.csv", parquet(), &[], 3, 0),
        (
            "semicolon.csv",
            text("user_id;item_id;occurred_at;value\nu1;i1;2026-06-01T08:00:00Z;12,50\n"),
            &[],
            1,
            0,
        ),
        ("tabs.tsv", text("user_id\titem_id\toccurred_at\n1\t31\t1260759144\n"), &[], 1, 0),
        (
            "rows.jsonl",
            text("{\"user_id\": \"1\", \"item_id\": 31, \"occurred_at\": 1260759144}\n"),
            &[],
            1,
            0,
        ),
        (
            "array.json",
            text("[{\"user_id\": \"1\", \"item_id\": \"31\", \"occurred_at\": 1260759144}]"),
            &[],
            1,
            0,
        ),
        (
            "body.json",
            text(
                r#"{"domain": "d", "events": [{"event_id": "e1", "user_id": "1", "type": "view", "item_id": "31", "occurred_at": "2026-06-01T08:00:00Z"}]}"#,
            ),
            &[],
            1,
            0,
        ),
        (
            "personalize.csv",
            text(
                "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n1,31,1260759144,Click\n1,1029,1260759179,Watch\n",
            ),
            &[],
            2,
            0,
        ),
        (
            "recbole.inter",
            text("user_id:token\titem_id:token\ttimestamp:float\n1\t31\t1260759144.0\n"),
            &[],
            1,
            0,
        ),
        (
            "gorse.jsonl",
            text(
                "{\"FeedbackType\": \"star\", \"UserId\": \"1\", \"ItemId\": \"31\", \"Timestamp\": \"2022-06-24T21:20:11Z\", \"Comment\": \"\"}\n",
            ),
            &[],
            1,
            0,
        ),
        (
            "shop.csv",
            text(
                "event_time,event_type,product_id,category_id,brand,price,user_id,user_session\n2019-10-01 00:00:00 UTC,view,p-11,210,x,35.79,u-1,s-1\n",
            ),
            &[],
            1,
            0,
        ),
        (
            "movielens.csv",
            text(
                "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,5,1260759179\n2,31,0.5,835355493\n",
            ),
            &["--rating-below", "like"],
            3,
            0,
        ),
        (
            "u.data",
            text("1\t31\t2.5\t1260759144\n1\t10\t5\t1260759179\n"),
            &["--rating-min", "1"],
            2,
            0,
        ),
        (
            "no_header.csv",
            text("u1,i1,2026-06-01T08:00:00Z\n"),
            &["--columns", "user_id,item_id,occurred_at"],
            1,
            0,
        ),
        (
            "other_names.csv",
            text("wer,was\nu1,i1\n"),
            &["--map", "user_id=wer", "--map", "item_id=was"],
            1,
            0,
        ),
        (
            "naive.csv",
            text("user_id,item_id,occurred_at\nu1,i1,2022-06-24 21:20:11\n"),
            &["--timezone", "Asia/Shanghai"],
            1,
            0,
        ),
        ("date.csv", text("user_id,item_id,occurred_at\nu1,i1,2022-06-24\n"), &[], 1, 0),
        ("us.csv", text("user_id,item_id,occurred_at\nu1,i1,06/24/2022 9:20 PM\n"), &[], 1, 0),
        ("milliseconds.csv", text("user_id,item_id,occurred_at\nu1,i1,1260759144123\n"), &[], 1, 0),
        ("blank_lines.csv", text("user_id,item_id\nu1,i1\n\n\nu2,i2\n\n"), &[], 2, 0),
        ("index.csv", text(",user_id,item_id\n0,u1,i1\n1,u2,i2\n"), &[], 2, 0),
        ("types.csv", text("user_id,item_id,type\nu1,i1,Add to Cart\n"), &[], 1, 0),
        (
            "short_row.csv",
            text("user_id,item_id,occurred_at\nu1,i1,2026-06-01T08:00:00Z\nu2,i2\n"),
            &[],
            1,
            1,
        ),
        ("long_row.csv", text("user_id,item_id\nu1,i1\nu2,i2,x\n"), &[], 1, 1),
        ("newline_in.csv", text("user_id,item_id\nu1,\"two\nlines\"\nu2,i2\n"), &[], 1, 1),
        (
            "values.csv",
            text(
                "user_id,item_id,value\nu1,i1,\"1,234.56\"\nu2,i2,$9.99\nu3,i3,-5\nu4,i4,1e3\nu5,i5,99999999999999999999999999999999\nu6,i6,\"12,50\"\nu7,i7,NaN\n",
            ),
            &[],
            5,
            2,
        ),
        (
            "missing.csv",
            text(
                "user_id,item_id,occurred_at\nu1,,2026-06-01T08:00:00Z\nNULL,i5,2026-06-01T08:00:00Z\nu3,i3,\nu4,i4,2026-06-01T08:00:00Z\n",
            ),
            &[],
            1,
            3,
        ),
        (
            "future.csv",
            text(
                "user_id,item_id,occurred_at\nu1,i1,2022-06-01T08:00:00Z\nu2,i2,2999-06-01T08:00:00Z\n",
            ),
            &[],
            1,
            1,
        ),
    ]
}

#[test]
fn every_kind_of_file_is_imported_by_its_content() {
    for (name, content, options, taken, refused) in kinds() {
        let desk = Desk::new();
        let file = desk.file(name, content);
        let (status, result) = desk.import(&file, options);
        assert_eq!(result["accepted"], taken, "{name}: {result}");
        assert_eq!(result["rejected"], refused, "{name}: {result}");
        assert_eq!(status, if refused > 0 { 3 } else { 0 }, "{name}: {result}");
        let (_, again) = desk.import(&file, options);
        assert_eq!(again["accepted"], 0, "{name} again: {again}");
        assert_eq!(again["duplicates"], taken, "{name} again: {again}");
    }
}

#[test]
fn what_cannot_be_imported_says_where_why_and_what_helps() {
    let desk = Desk::new();
    let truncated = gzip(&PLAIN.repeat(200).into_bytes());
    let cases: [(&str, &[u8], &str); 9] = [
        ("empty.csv", b"", "the file is empty"),
        ("header_only.csv", b"user_id,item_id,occurred_at\n", "a header and no rows"),
        ("no_header.csv", b"u1,i1,2026-06-01T08:00:00Z\n", "--columns user_id,item_id,occurred_at"),
        ("doubled.csv", b"user_id,item_id,item_id\nu1,i1,j1\n", "--columns"),
        ("truncated.csv.gz", &truncated[..truncated.len() / 2], "cannot be read beyond line"),
        ("nan.jsonl", b"{\"item_id\": \"31\", \"price\": NaN}\n", "write null"),
        (
            "all_future.csv",
            b"user_id,item_id,occurred_at\nu1,i1,2999-01-01T00:00:00Z\n",
            "nothing was imported",
        ),
        ("negative.csv", b"user_id,item_id,occurred_at\nu1,i1,-5\n", "nothing was imported"),
        (
            "ambiguous.csv",
            b"user_id,item_id,occurred_at\nu1,i1,03/04/2022\n",
            "nothing was imported",
        ),
    ];
    for (name, content, word) in cases {
        let file = desk.file(name, content);
        let arguments = ["import", file.to_str().unwrap(), "--domain", "shop"];
        let output = desk.run(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert!(error.contains(word), "{name}: {error}");
    }
    let refused = fs::read_to_string(desk.path("ambiguous.csv.refused.csv")).unwrap();
    assert!(refused.contains("--date-order"), "{refused}");
}

/// Signs that stand in hostile files: they clear the screen, forge a line, turn the text around.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{7}\u{202e}";

#[test]
fn nothing_of_a_file_commands_the_terminal_or_fills_it() {
    let desk = Desk::new();
    let lines = format!("\"user_id\nError: {HOSTILE}\"");
    let long = "x".repeat(500_000);
    let many: String = (0..900).map(|at| format!(",{HOSTILE}{at}")).collect();
    let row = format!("u1,i1,{HOSTILE},2026-06-01");
    let json_key = format!("{{\"{}\": 1, \"b\": 2}}\n", "k\\u001b[2J".repeat(2_000));
    for (name, content) in [
        ("header.csv", format!("a{HOSTILE},b\n1,2\n")),
        ("lines.csv", format!("{lines},x\n1,2\n")),
        ("long.csv", format!("{long},{long}\n1,2\n")),
        ("many.csv", format!("a{many}\n1,2\n")),
        ("unknown.csv", format!("user_id{many}\nu1{}\n", ",1".repeat(900))),
        ("type.csv", format!("user_id,item_id,type,occurred_at\n{row}\n")),
        ("kept.csv", format!("user_id,item_id,a{HOSTILE},occurred_at\n{row}\n")),
        ("key.jsonl", json_key),
    ] {
        let file = desk.file(name, content);
        let file = file.to_str().unwrap();
        for arguments in [&["import", "--check", file][..], &["import", file, "--domain", "shop"]] {
            let Output { stdout, stderr, .. } = desk.run(arguments);
            let said = String::from_utf8([stdout, stderr].concat()).unwrap();
            let is_command = |sign: char| {
                (sign.is_control() && sign != '\n' && sign != '\t') || sign == '\u{202e}'
            };
            assert!(!said.contains(is_command), "{arguments:?}: {said:?}");
            assert!(said.len() < 10_000, "{arguments:?}: {} bytes", said.len());
            let forged = said.lines().filter(|line| line.starts_with("Error: \\u")).count();
            assert_eq!(forged, 0, "{arguments:?}: {said}");
        }
    }
}

#[test]
fn what_is_no_table_is_called_so_in_a_line() {
    let desk = Desk::new();
    let program = fs::read(env!("CARGO_BIN_EXE_crossfold")).unwrap();
    let noise: Vec<u8> = (0..90_000_u32).map(|at| (at * 167 % 251) as u8).collect();
    let picture = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &noise].concat();
    for (name, content, word) in [
        ("program.csv", &program[..1_000_000], "is no text but a program"),
        ("picture.csv", &picture, "is no text but a picture"),
        ("noise.csv", &noise, "is no text"),
        ("zeros.csv", &[0; 5_000], "is no text"),
    ] {
        let file = desk.file(name, content);
        let output = desk.run(&["import", "--check", file.to_str().unwrap()]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert!(error.contains(word) && error.len() < 400, "{name}: {error}");
    }
}

#[test]
fn refused_rows_can_be_mended_and_imported_again() {
    let desk = Desk::new();
    for (name, content, wrong, right) in [
        (
            "a.csv",
            "user_id,item_id,occurred_at\nu1,i1,2026-06-01T08:00:00Z\n,i2,2026-06-01T08:00:00Z\n",
            "\n,i2",
            "\nu2,i2",
        ),
        (
            "b.jsonl",
            "{\"user_id\": \"u1\", \"item_id\": \"i3\", \"occurred_at\": 1750000000}\n{\"user_id\": \"u2\", \"item_id\": \"i4\", \"occurred_at\": \"soon\"}\n",
            "soon",
            "2026-06-01",
        ),
    ] {
        let file = desk.file(name, content);
        let (status, result) = desk.import(&file, &[]);
        assert_eq!(
            (status, &result["accepted"], &result["rejected"]),
            (3, &json!(1), &json!(1)),
            "{result}"
        );
        let refused = PathBuf::from(result["files"][0]["refused_file"].as_str().unwrap());
        let written = fs::read_to_string(&refused).unwrap();
        assert!(written.contains("refused_line") && written.contains(wrong), "{written}");
        let mended = desk.file(&format!("mended-{name}"), written.replace(wrong, right));
        let (status, result) = desk.import(&mended, &[]);
        assert_eq!((status, &result["accepted"]), (0, &json!(1)), "{result}");
        assert_eq!(result["files"][0]["ignored"], json!([]));
    }
}

#[test]
fn columns_under_their_usual_names_say_the_same_as_under_our_own() {
    let desk = Desk::new();
    let ours = "user_id,item_id,type,occurred_at,value\nu0,p0,view,1750000000,9.99\nu1,p1,buy,1750000001,5\n";
    let usual = ours.replace("type,occurred_at,value", "event_type,timestamp,price");
    let (status, _) = desk.import(&desk.file("ours.csv", ours), &[]);
    assert_eq!(status, 0);
    let (status, result) = desk.import(&desk.file("usual.csv", usual), &[]);
    assert_eq!((status, &result["duplicates"]), (0, &json!(2)), "{result}");
    let (_, result) = desk.import(
        &desk.file(
            "more.csv",
            ours.replace("value", "value,colour")
                .replace(".99\n", ".99,red\n")
                .replace(",5\n", ",5,blue\n"),
        ),
        &[],
    );
    assert_eq!(result["files"][0]["ignored"], json!(["colour"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_come_first_leave_the_types_to_the_first_events() {
    let desk = Desk::new();
    let items = desk.file("items.csv", "item_id,title\ni1,One\ni2,Two\n");
    let alone = desk.run(&["import", items.to_str().unwrap(), "--domain", "shop"]);
    let told = String::from_utf8(alone.stdout).unwrap();
    assert!(told.contains("\nnext: crossfold import EVENTS --domain shop"), "{told}");
    let header = "user_id,item_id,type,occurred_at\n";
    let first = format!("{header}u1,i1,view,2026-06-01\nu1,i2,buy,2026-06-02\n");
    let first = desk.file("first.csv", first);
    let check = desk.run(&["import", "--check", first.to_str().unwrap(), "--domain", "shop"]);
    let told = String::from_utf8(check.stdout).unwrap();
    assert!(told.contains("would get these event types"), "{told}");
    let (status, taken) = desk.import(&first, &[]);
    assert_eq!((status, &taken["accepted"]), (0, &json!(2)), "{taken}");
    let definition = desk.get("/v1/domains/shop").await;
    let types: Vec<&String> = definition["event_types"].as_object().unwrap().keys().collect();
    assert_eq!(types, ["buy", "view"]);
    // From then on the domain has its types.
    let later = desk.file("later.csv", format!("{header}u2,i1,share,2026-06-01\n"));
    let (status, refused) = desk.import(&later, &[]);
    assert_eq!(status, 1, "{refused}");
}

#[test]
fn a_domain_of_events_without_types_keeps_what_it_was_defined_with() {
    let desk = Desk::new();
    let untyped = desk.file("untyped.csv", "user_id,item_id,occurred_at\nu1,i1,2026-06-01\n");
    assert_eq!(desk.import(&untyped, &[]).0, 0);
    let typed = "user_id,item_id,type,occurred_at\nu1,i1,view,2026-06-01\n";
    let (status, refused) = desk.import(&desk.file("typed.csv", typed), &[]);
    assert_eq!(status, 1, "{refused}");
}

#[test]
fn a_map_counts_for_the_files_that_have_its_column() {
    let desk = Desk::new();
    let items = desk.file("items.csv", "课程编号,课程名称,价钱\n1,写作,9.5\n2,绘画,3\n");
    let events = desk.file("events.csv", "学员,课程,时间\n张三,1,2026-06-01\n李四,2,2026-06-02\n");
    let both = [items.to_str().unwrap(), events.to_str().unwrap()];
    let import = |map: &str| {
        desk.run(&["import", both[0], both[1], "--domain", "shop", "--json", "--map", map])
    };
    let taken = import("price=价钱");
    let result: Value = serde_json::from_slice(&taken.stdout).unwrap();
    assert_eq!((&result["items"], &result["accepted"]), (&json!(2), &json!(2)), "{result}");
    let refused = import("price=单价");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{told}");
    assert!(told.contains("no such column") && told.contains("any of the files"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_knows_or_knew_stays_and_only_unknown_ids_get_a_name() {
    let desk = Desk::new();
    let items = r#"[{"item_id": "c1", "title": "Budgeting", "price": 99.90},
        {"item_id": "c2", "title": "Hidden", "status": "hidden"},
        {"item_id": "c3", "title": "Sold out", "status": "out_of_stock"},
        {"item_id": "c4", "title": "Deleted"}]"#;
    let (status, result) = desk.import(&desk.file("items.json", items), &[]);
    assert_eq!((status, &result["items"]), (0, &json!(4)), "{result}");
    let world = LocalWorld::open(&desk.path("data")).await.unwrap();
    world
        .client()
        .put(
            "/v1/domains/shop/items/c5",
            &json!({"title": "Ended", "available_until": "2026-01-01T00:00:00Z"}),
        )
        .await
        .unwrap();
    let request = axum::http::Request::delete("/v1/domains/shop/items/c4");
    let request = request.body(axum::body::Body::empty()).unwrap();
    tower::ServiceExt::oneshot(world.router(), request).await.unwrap();
    drop(world);
    let rows: String = (1..=6).map(|at| format!("u1,c{at},2026-06-0{at}T08:00:00Z\n")).collect();
    let events = desk.file("events.csv", format!("user_id,item_id,occurred_at\n{rows}"));
    let (_, result) = desk.import(&events, &["--event-type", "x=y"]);
    assert_eq!((&result["accepted"], &result["items"]), (&json!(6), &json!(1)), "{result}");
    let world = LocalWorld::open(&desk.path("data")).await.unwrap();
    let client = world.client();
    let item = async |id: &str| client.get(&format!("/v1/domains/shop/items/{id}")).await;
    assert_eq!(item("c1").await.unwrap()["price"], "99.90");
    assert_eq!(item("c2").await.unwrap()["status"], "hidden");
    assert_eq!(item("c3").await.unwrap()["title"], "Sold out");
    assert!(item("c4").await.is_err(), "a deleted item stays deleted");
    assert_eq!(item("c5").await.unwrap()["available_until"], "2026-01-01T00:00:00Z");
    assert_eq!(item("c6").await.unwrap()["title"], "c6");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_come_from_csv_json_lines_and_arrays_with_numbers_as_numbers() {
    for (name, content, id, expected) in [
        (
            "items.csv",
            "item_id,title,genres\n31,Dangerous Minds (1995),Drama|School\n",
            "31",
            json!({"title": "Dangerous Minds (1995)", "categories": ["Drama", "School"]}),
        ),
        (
            "items_num.jsonl",
            "{\"item_id\":31,\"title\":\"A\",\"price\":9.99}\n{\"item_id\":1029,\"title\":\"B\"}\n",
            "31",
            json!({"title": "A", "price": "9.99"}),
        ),
        (
            "items_array.json",
            "[{\"item_id\":\"31\",\"title\":\"A\"},\n{\"item_id\":\"1029\",\"title\":\"B\"}]\n",
            "1029",
            json!({"title": "B"}),
        ),
        (
            "items_bom.jsonl",
            "\u{feff}{\"item_id\":\"31\",\"title\":\"A\"}\n",
            "31",
            json!({"title": "A"}),
        ),
        (
            "items_null.jsonl",
            "{\"item_id\":\"31\",\"title\":\"A\",\"price\":null,\"categories\":null}\n",
            "31",
            json!({"title": "A"}),
        ),
        (
            "items_dup.jsonl",
            "{\"item_id\":\"31\",\"title\":\"first\"}\n{\"item_id\":\"31\",\"title\":\"second\"}\n",
            "31",
            json!({"title": "second"}),
        ),
        ("items_notitle.jsonl", "{\"item_id\":\"31\"}\n", "31", json!({"title": "31"})),
        (
            "items_gorse.jsonl",
            "{\"ItemId\":\"31\",\"IsHidden\":false,\"Categories\":[\"a\"],\"Labels\":{\"x\":1},\"Timestamp\":\"2022-01-01T00:00:00Z\",\"Comment\":\"c\"}\n",
            "31",
            json!({"title": "31", "categories": ["a"], "status": "active"}),
        ),
        (
            "items_price.jsonl",
            "{\"item_id\":\"31\",\"title\":\"A\",\"price\":\"9,99\"}\n",
            "31",
            json!({"price": "9.99"}),
        ),
        ("ids.csv", "id,name\n7,Seven\n", "7", json!({"title": "Seven"})),
    ] {
        let desk = Desk::new();
        let (status, result) = desk.import(&desk.file(name, content), &[]);
        assert_eq!(status, 0, "{name}: {result}");
        let item = desk.get(&format!("/v1/domains/shop/items/{id}")).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&item[field], value, "{name}: {item}");
        }
    }
    let desk = Desk::new();
    let bad =
        "{\"item_id\":\"10\",\"title\":\"B\",\"price\":-1}\n{\"item_id\":\"11\",\"title\":\"C\"}\n";
    let (status, result) = desk.import(&desk.file("bad.jsonl", bad), &[]);
    assert_eq!((status, &result["items"], &result["rejected"]), (3, &json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_that_it_met_erased_people_and_leaves_their_past_out() {
    let desk = Desk::new();
    let rows = "user_id,item_id,occurred_at\nu1,i1,2026-06-01T08:00:00Z\nu2,i1,2026-06-01T08:00:00Z\nu2,i2,2026-06-02T08:00:00Z\n";
    let file = desk.file("events.csv", rows);
    assert_eq!(desk.import(&file, &[]).0, 0);
    let world = LocalWorld::open(&desk.path("data")).await.unwrap();
    let request = axum::http::Request::delete("/v1/users/u2?domain=shop");
    let request = request.body(axum::body::Body::empty()).unwrap();
    assert!(
        tower::ServiceExt::oneshot(world.router(), request).await.unwrap().status().is_success()
    );
    drop(world);
    let check = |result: &Value| {
        assert_eq!(result["duplicates"], 1, "{result}");
        assert_eq!(result["accepted"], 0, "{result}");
        assert_eq!(result["files"][0]["erased_people"], 1, "{result}");
        assert_eq!(result["files"][0]["events_of_erased_people"], 2, "{result}");
        assert_eq!(result["files"][0]["refused_file"], Value::Null);
    };
    let (status, result) = desk.import(&file, &[]);
    assert_eq!(status, 0);
    check(&result);
    // Registered again, the person begins anew: the past stays out, what is new comes in.
    let world = LocalWorld::open(&desk.path("data")).await.unwrap();
    world.client().put("/v1/users/u2?domain=shop", &json!({})).await.unwrap();
    drop(world);
    check(&desk.import(&file, &[]).1);
    let text = desk.run(&["import", file.to_str().unwrap(), "--domain", "shop"]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("met 1 erased person, whose events were left out: 2"), "{text}");
}

#[test]
fn a_check_says_what_would_be_done_and_writes_nothing() {
    let desk = Desk::new();
    let file = desk.file("ratings.csv", "userId,movieId,rating,timestamp,note\n1,31,2.5,1260759144,x\n1,1029,5,1260759179,y\n2,,0.5,835355493,z\n");
    let output = desk.run(&["import", "--check", file.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for word in [
        "text separated by commas; 3 rows of events",
        "userId -> user_id",
        "timestamp -> occurred_at",
        "people    1; items 2",
        "2009-12-14T02:52:24Z to 2009-12-14T02:52:59Z",
        "seconds since 1970: 2",
        "--rating-min",
        "ignored   note",
        "refused   1 x column movieId: item_id is missing; first on line 4",
        "row       1 | 31 | 2.5 | 1260759144 | x",
        "\"event_types\"",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let names: Vec<_> = fs::read_dir(desk.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["ratings.csv"]);
    let output = desk.run(&["import", "--check", "--json", file.to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["files"][0]["fields"]["user_id"], "userId");
    assert_eq!(json["files"][0]["ignored"], json!(["note"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn ratings_are_evidence_by_their_rule() {
    let rows =
        "userId,movieId,rating,timestamp\n1,31,1,1260759144\n1,10,3,1260759179\n2,31,5,835355493\n";
    for (options, accepted, types) in [
        (&[][..], 3, vec!["dislike", "like"]),
        (&["--rating-below", "none"], 2, vec!["like"]),
        (&["--rating-min", "5", "--rating-below", "none"], 1, vec!["like"]),
        (&["--rating-min", "5", "--rating-below", "dislike"], 3, vec!["dislike", "like"]),
        (&["--rating-min", "3", "--type", "view", "--rating-below", "none"], 2, vec!["view"]),
    ] {
        let desk = Desk::new();
        let (status, result) = desk.import(&desk.file("r.csv", rows), options);
        assert_eq!((status, &result["accepted"]), (0, &json!(accepted)), "{options:?}: {result}");
        assert_eq!(result["files"][0]["passed_over"], 3 - accepted);
        let definition = desk.get("/v1/domains/shop").await;
        let defined: Vec<&String> = definition["event_types"].as_object().unwrap().keys().collect();
        assert_eq!(defined, types);
    }
}

/// A running server, killed when it is dropped.
struct Server(std::process::Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serve(desk: &Desk) -> Server {
    use std::io::BufRead;
    let mut child = Command::new(env!("CARGO_BIN_EXE_crossfold"))
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(desk.path("data"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("Crossfold listens on ").unwrap().to_owned();
    Server(child, url)
}

#[tokio::test]
async fn a_domain_that_was_deleted_is_imported_anew_with_its_items() {
    let desk = Desk::new();
    let file = desk.file("events.csv", PLAIN);
    let (_, first) = desk.import(&file, &[]);
    desk.delete_domain().await;
    let (status, again) = desk.import(&file, &[]);
    assert_eq!((status, &again["accepted"], &again["items"]), (0, &json!(3), &first["items"]));
    assert_eq!(desk.get("/v1/domains/shop/items/i1").await["title"], "i1");
}

#[test]
fn rows_of_people_are_not_taken_for_a_catalogue() {
    let desk = Desk::new();
    let visits: String =
        (0..40).map(|at| format!("v{at},p{},{}\n", at % 3, 1_750_000_000)).collect();
    let visits = desk.file("visits.csv", format!("visitor,product,time\n{visits}"));
    let (status, error) = desk.import(&visits, &[]);
    assert_eq!(status, 1);
    assert!(error.as_str().unwrap().contains("--map user_id=COLUMN"), "{error}");
    let (status, result) = desk.import(&visits, &["--map", "user_id=visitor"]);
    assert_eq!((status, &result["accepted"]), (0, &json!(40)), "{result}");
    let orders = desk.file("orders.csv", "Product,Email\np1,a@example.com\np2,b@example.com\n");
    let (status, error) = desk.import(&orders, &[]);
    assert!(status == 1 && error.as_str().unwrap().contains("e-mail"), "{error}");
    let arguments = ["import", "--items", orders.to_str().unwrap(), "--domain", "shop", "--json"];
    assert_eq!(desk.run(&arguments).status.code(), Some(0), "it was said that they are items");
}

#[test]
fn shapes_of_spreadsheets_and_databases_are_read() {
    let desk = Desk::new();
    let excel =
        desk.file("excel.csv", "sep=;\r\nuser_id;item_id;occurred_at\r\nu1;i1;2026-06-01\r\n");
    let (status, result) = desk.import(&excel, &[]);
    assert_eq!((status, &result["accepted"]), (0, &json!(1)), "{result}");
    let copy = desk.file("copy.tsv", "7\tu1\ti2\t2026-06-01\t\\N\n8\tu2\ti2\t2026-06-01\t2.50\n");
    let columns = "-,user_id,item_id,occurred_at,value";
    let (status, result) = desk.import(&copy, &["--columns", columns]);
    assert_eq!((status, &result["accepted"]), (0, &json!(2)), "{result}");
}

#[test]
fn what_takes_nothing_defines_no_domain_and_the_named_types_define_it_then() {
    let desk = Desk::new();
    let file = desk.file("events.csv", "user_id,item_id,type,occurred_at\nu1,i1,购买,2026-06-01\n");
    let check = |options: &[&str]| {
        let arguments = ["import", "--check", file.to_str().unwrap(), "--domain", "shop"];
        desk.run(&[&arguments[..], options].concat()).status.code()
    };
    assert_eq!(check(&[]), Some(1));
    assert_eq!(desk.import(&file, &[]).0, 1);
    let named = ["--event-type", "购买=purchase"];
    assert_eq!(check(&named), Some(0));
    let (status, result) = desk.import(&file, &named);
    assert_eq!((status, &result["accepted"], &result["defined"]), (0, &json!(1), &json!("shop")));
    assert_eq!(check(&["--event-type", "购买=order"]), Some(1), "the domain is defined by now");
}

/// A file of so many events.
fn many_events(desk: &Desk, count: u64) -> PathBuf {
    let mut rows = "user_id,item_id,occurred_at\n".to_owned();
    for at in 0..count {
        rows.push_str(&format!("u{},i{},{}\n", at % 97, at % 13, 1_700_000_000 + at));
    }
    desk.file("events.csv", rows)
}

/// Events that were stored when they came: on a machine with much to do some of them were sent
/// again, as they were not stored in time.
fn known(result: &Value) -> u64 {
    result["duplicates"].as_u64().unwrap() + result["sent_again"].as_u64().unwrap()
}

/// Imports a file, and kills the import once it noted how far it came.
fn import_killed(desk: &Desk, file: &Path, target: &[&str]) {
    let note = desk.path("events.csv.importing.json");
    let mut killed = Command::new(env!("CARGO_BIN_EXE_crossfold"))
        .args(["import", file.to_str().unwrap(), "--domain", "shop"])
        .args(target)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !note.exists() && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(note.exists(), "it was killed before its end");
}

#[test]
fn an_import_feeds_a_running_server_and_goes_on_after_a_kill_without_doubles() {
    let desk = Desk::new();
    let count = 20_000;
    let file = many_events(&desk, count);
    let server = serve(&desk);
    let (status, error) = desk.import(&file, &[]);
    assert_eq!(status, 1);
    assert!(error.as_str().unwrap().contains("--api"), "{error}");
    import_killed(&desk, &file, &["--api", &server.1]);
    let (status, result) = desk.import(&file, &["--api", &server.1]);
    assert_eq!(status, 0, "{result}");
    assert_eq!(result["accepted"].as_u64().unwrap() + known(&result), count, "{result}");
    assert!(result["files"][0]["resumed_at_row"].as_u64().unwrap() > 0, "{result}");
    assert!(!desk.path("events.csv.importing.json").exists());
    let (_, again) = desk.import(&file, &["--api", &server.1]);
    assert_eq!((&again["accepted"], known(&again)), (&json!(0), count), "{again}");
}

#[test]
fn an_import_that_is_told_to_end_says_what_was_stored_and_the_same_command_goes_on() {
    let desk = Desk::new();
    let count = 20_000;
    let file = many_events(&desk, count);
    let note = desk.path("events.csv.importing.json");
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        fs::remove_file(&note).ok();
        let mut importing = Command::new(env!("CARGO_BIN_EXE_crossfold"))
            .args(["import", file.to_str().unwrap(), "--domain", "shop", "--data-dir"])
            .arg(desk.path(signal))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while !note.exists() && importing.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let id = importing.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let output = importing.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{error}");
        let told = error.split("stored so far: ").nth(1).unwrap();
        let events: u64 = told.split(' ').next().unwrap().parse().unwrap();
        assert!((500..=count).contains(&events), "{error}");
        assert!(error.contains("13 items. The same command goes on from there"), "{error}");
    }
    let data = desk.path("TERM");
    let (status, result) = desk.import(&file, &["--data-dir", data.to_str().unwrap()]);
    assert_eq!((status, &result["items"]), (0, &json!(13)), "{result}");
    assert!(result["files"][0]["resumed_at_row"].as_u64().unwrap() > 0, "{result}");
}

#[test]
fn a_note_of_events_that_are_gone_is_not_believed() {
    let desk = Desk::new();
    let count = 20_000;
    let file = many_events(&desk, count);
    let data = desk.path("data");
    import_killed(&desk, &file, &["--data-dir", data.to_str().unwrap()]);
    fs::remove_dir_all(&data).unwrap();
    let (status, result) = desk.import(&file, &[]);
    let sum = |result: &Value| result["accepted"].as_u64().unwrap() + known(result);
    // Those that were on their way beside the proof are met again.
    assert!(status == 0 && sum(&result) == count, "{result}");
    assert!(result["duplicates"].as_u64().unwrap() <= 2_500, "{result}");
    let (_, again) = desk.import(&file, &[]);
    assert_eq!((&again["accepted"], known(&again)), (&json!(0), count), "{again}");
}

#[test]
fn refused_rows_are_not_written_over_what_is_imported() {
    let desk = Desk::new();
    let content = format!("{PLAIN},i9,view,1750000000,\n");
    let file = desk.file("events.csv", &content);
    let (status, error) = desk.import(&file, &["--refused", file.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(error.as_str().unwrap().contains("name another file"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
    for expected in ["events.csv.refused.csv", "events.csv.refused-2.csv"] {
        let (status, result) = desk.import(&file, &[]);
        assert_eq!(status, 3, "{result}");
        assert!(result["files"][0]["refused_file"].as_str().unwrap().ends_with(expected));
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let desk = Desk::new();
    let file = desk.file("events.csv", PLAIN);
    for arguments in [
        &["import", "--check", file.to_str().unwrap()][..],
        &["import", file.to_str().unwrap(), "--domain", "shop"],
        &["models", "list"],
        &["status"],
        &["find-person", "--domain", "shop", "--user", "u1"],
        &["recommend", "--domain", "shop", "--user", "u1"],
        &["bench", "train", "--synthetic", "2000"],
        &["--help"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crossfold"))
            .arg("--data-dir")
            .arg(desk.path("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!error.contains("panicked"), "{arguments:?}: {error}");
        assert_ne!(output.status.code(), Some(101), "{arguments:?}");
    }
}

/// The shapes that docs/import.md promises: the columns of each, and what their rows are.
fn documented_shapes() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/import.md");
    let text = fs::read_to_string(path).unwrap();
    let mut shapes = Vec::new();
    let table = text.split("| shape | columns | gives |").nth(1).unwrap();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let headers = cells[1].split(';').filter_map(|part| part.split('`').nth(1));
        let gives: Vec<&str> = cells[2].split(';').collect();
        for (at, header) in headers.enumerate() {
            let kind = gives.get(at).or(gives.first()).unwrap();
            let kind = if kind.trim().starts_with("items") { "items" } else { "events" };
            shapes.push((header.replace(",…", ""), kind.to_owned()));
        }
    }
    shapes
}

#[test]
fn every_shape_that_is_documented_is_recognised() {
    let shapes = documented_shapes();
    assert!(shapes.len() > 10, "{shapes:?}");
    for (header, kind) in shapes {
        // Options and single columns are said in other rows of the table.
        if header.starts_with("--") || !header.contains(',') {
            continue;
        }
        let row: Vec<&str> = header
            .split(',')
            .map(|name| match name.to_lowercase() {
                name if name.contains("time") || ["occurred_at", "when"].contains(&&*name) => {
                    "1260759144"
                }
                name if name.contains("type") || name == "event" => "view",
                name if ["price", "value", "rating", "seconds"]
                    .iter()
                    .any(|n| name.contains(n)) =>
                {
                    "4"
                }
                name if name.contains("hidden") => "false",
                _ => "x1",
            })
            .collect();
        let desk = Desk::new();
        let file = desk.file("shape.csv", format!("{header}\n{}\n", row.join(",")));
        let output = desk.run(&["import", "--check", "--json", file.to_str().unwrap()]);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{header}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(json["files"][0]["kind"], kind.as_str(), "{header}: {json}");
        assert_eq!(json["files"][0]["refused"]["rows"], 0, "{header}: {json}");
    }
}
