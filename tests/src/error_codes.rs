//! The codes that the sources answer, and those that `docs/errors.md` documents.
//!
//! A code is read where it is given: to the constructors of problems and rejections, to a
//! literal of their structs, and in the functions that name codes of a whole enum. One that
//! cannot be read there, because it comes from elsewhere, is told as such, so that none can
//! be answered unseen.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use hyper::StatusCode;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, Lit, Member, Pat, Stmt};

use crate::tidy::is_for_tests;

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call that was refused or failed.
    Problem,
    /// An element of a batch that was refused.
    Rejection,
    /// Something that a slate was made without.
    Shortfall,
}

/// Codes, each with the HTTP statuses that it is answered with: none of what is no problem.
pub type Codes = BTreeMap<String, BTreeSet<u16>>;

/// What sources answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Codes by what they stand for.
    pub codes: BTreeMap<Kind, Codes>,
    /// Where a code or its status is given that cannot be read in the source.
    pub unclear: Vec<String>,
}

/// Types whose `new` is given a code, at which place, and a status before it or not.
const CONSTRUCTORS: [(&str, Kind, usize); 2] =
    [("Problem", Kind::Problem, 1), ("Rejection", Kind::Rejection, 0)];
/// Structs that are made with a code as one of their fields.
const STRUCTS: [(&str, Kind); 3] =
    [("Problem", Kind::Problem), ("Rejection", Kind::Rejection), ("Rejected", Kind::Rejection)];
/// Functions that name the codes of an enum.
const NAMING: [(&str, &str, Kind); 2] =
    [("EventRejection", "code", Kind::Rejection), ("Shortfall", "as_str", Kind::Shortfall)];

impl Answered {
    /// By source files, each a path and a text.
    ///
    /// # Errors
    /// When a file is no Rust.
    pub fn by(files: &[(String, String)]) -> anyhow::Result<Self> {
        let parse = |(path, text): &(String, String)| {
            Ok((path.clone(), syn::parse_file(text).with_context(|| path.clone())?))
        };
        let files: Vec<(String, syn::File)> =
            files.iter().map(parse).collect::<anyhow::Result<_>>()?;
        let mut constants = Constants::default();
        files.iter().for_each(|(_, file)| constants.visit_file(file));
        let mut answered = Self::default();
        for (path, file) in &files {
            let mut scan = Scan { path, constants: &constants, answered, within: Vec::new() };
            scan.visit_file(file);
            answered = scan.answered;
        }
        Ok(answered)
    }

    /// The codes of a kind.
    #[must_use]
    pub fn codes(&self, kind: Kind) -> Codes {
        self.codes.get(&kind).cloned().unwrap_or_default()
    }
}

/// Constants that are texts, by name: a name that stands for two texts is for none.
#[derive(Default)]
struct Constants(BTreeMap<String, Option<String>>);

impl<'ast> Visit<'ast> for Constants {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) = &*item.expr else { return };
        let text = text.value();
        let known = self.0.entry(item.ident.to_string()).or_insert_with(|| Some(text.clone()));
        if known.as_ref() != Some(&text) {
            *known = None;
        }
    }
}

/// What the code that is looked at stands in.
enum Within<'ast> {
    /// An `impl` of a type.
    Type(String),
    /// A function: its name, and what it is made of.
    Function(String, &'ast syn::Block),
}

struct Scan<'a, 'ast> {
    path: &'a str,
    constants: &'a Constants,
    answered: Answered,
    within: Vec<Within<'ast>>,
}

/// A code or status that cannot be read where it is given.
struct Unreadable;

impl<'ast> Scan<'_, 'ast> {
    fn unclear(&mut self, at: impl Spanned, what: &str) {
        let line = at.span().start().line;
        self.answered.unclear.push(format!("{}:{line}: {what}", self.path));
    }

    /// The type of the `impl` around.
    fn own_type(&self) -> Option<&str> {
        self.within.iter().rev().find_map(|within| match within {
            Within::Type(name) => Some(name.as_str()),
            Within::Function(..) => None,
        })
    }

    /// Whether this is inside of a constructor itself, which hands on what it is given.
    fn is_in_constructor(&self) -> bool {
        let is_new = matches!(self.within.last(), Some(Within::Function(name, _)) if name == "new");
        let own = self.own_type();
        is_new && CONSTRUCTORS.iter().any(|(name, ..)| own == Some(name))
    }

    /// A type's name as it stands, or what `Self` is.
    fn type_of(&self, segment: &syn::PathSegment) -> String {
        let name = segment.ident.to_string();
        if name == "Self" { self.own_type().unwrap_or_default().to_owned() } else { name }
    }

    /// The constructor that a path names.
    fn constructor(&self, path: &syn::Path) -> Option<(Kind, usize)> {
        let mut from_end = path.segments.iter().rev();
        let (function, of) = (from_end.next()?, from_end.next()?);
        let of = self.type_of(of);
        let named = CONSTRUCTORS.iter().find(|(name, ..)| function.ident == "new" && *name == of);
        named.map(|(_, kind, place)| (*kind, *place))
    }

    /// What a name of the function around was made from.
    fn local(&self, name: &syn::Ident) -> Option<&'ast Expr> {
        self.within.iter().rev().find_map(|within| match within {
            Within::Function(_, block) => initial(block, name),
            Within::Type(_) => None,
        })
    }

    /// The texts that an expression may be. One that hands on the code of a problem or
    /// rejection has none of its own.
    fn texts(&self, expr: &'ast Expr) -> Result<BTreeSet<String>, Unreadable> {
        match expr {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Ok([text.value()].into()),
            Expr::Field(syn::ExprField { member: Member::Named(name), .. }) if name == "code" => {
                Ok(BTreeSet::new())
            }
            Expr::MethodCall(call) if call.method == "code" => Ok(BTreeSet::new()),
            Expr::MethodCall(call) if call.method == "into" => self.texts(&call.receiver),
            Expr::Path(path) => self.text_of_path(&path.path),
            Expr::Paren(inner) => self.texts(&inner.expr),
            Expr::Match(all) => self.any_of(all.arms.iter().map(|arm| &*arm.body)),
            Expr::If(choice) => {
                let (_, otherwise) = choice.else_branch.as_ref().ok_or(Unreadable)?;
                self.any_of([last(&choice.then_branch).ok_or(Unreadable)?, &**otherwise])
            }
            Expr::Block(block) => self.texts(last(&block.block).ok_or(Unreadable)?),
            _ => Err(Unreadable),
        }
    }

    fn any_of(
        &self,
        expressions: impl IntoIterator<Item = &'ast Expr>,
    ) -> Result<BTreeSet<String>, Unreadable> {
        let mut all = BTreeSet::new();
        for expr in expressions {
            all.extend(self.texts(expr)?);
        }
        Ok(all)
    }

    fn text_of_path(&self, path: &syn::Path) -> Result<BTreeSet<String>, Unreadable> {
        if let Some(made_from) = path.get_ident().and_then(|name| self.local(name)) {
            return self.texts(made_from);
        }
        let name = path.segments.last().ok_or(Unreadable)?.ident.to_string();
        match self.constants.0.get(&name) {
            Some(Some(text)) => Ok([text.clone()].into()),
            _ => Err(Unreadable),
        }
    }

    fn status(&self, expr: &'ast Expr) -> Result<u16, Unreadable> {
        let Expr::Path(path) = expr else { return Err(Unreadable) };
        if let Some(made_from) = path.path.get_ident().and_then(|name| self.local(name)) {
            return self.status(made_from);
        }
        let name = path.path.segments.last().ok_or(Unreadable)?.ident.to_string();
        status_called(&name).ok_or(Unreadable)
    }

    fn note(&mut self, kind: Kind, codes: BTreeSet<String>, status: Option<u16>) {
        let known = self.answered.codes.entry(kind).or_default();
        codes.into_iter().for_each(|code| known.entry(code).or_default().extend(status));
    }

    fn note_call(&mut self, call: &'ast syn::ExprCall, (kind, place): (Kind, usize)) {
        let code = call.args.get(place).ok_or(Unreadable).and_then(|code| self.texts(code));
        let status = match place {
            0 => Ok(None),
            _ => {
                call.args.get(place - 1).ok_or(Unreadable).and_then(|it| self.status(it)).map(Some)
            }
        };
        match (code, status) {
            // What is handed on has a code that was read where it was given.
            (Ok(codes), _) if codes.is_empty() => {}
            (Ok(codes), Ok(status)) => self.note(kind, codes, status),
            (Err(Unreadable), _) => self.unclear(call, "a code is given that cannot be read here"),
            (_, Err(Unreadable)) => {
                self.unclear(call, "a status is given that cannot be read here");
            }
        }
    }

    fn function(&mut self, name: &syn::Ident, block: &'ast syn::Block) {
        let own = self.own_type();
        let naming = NAMING.iter().find(|(of, function, _)| own == Some(of) && name == function);
        self.within.push(Within::Function(name.to_string(), block));
        if let Some((.., kind)) = naming {
            match last(block).ok_or(Unreadable).and_then(|value| self.texts(value)) {
                Ok(codes) => self.note(*kind, codes, None),
                Err(Unreadable) => self.unclear(block, "codes are named that cannot be read here"),
            }
        }
        visit::visit_block(self, block);
        self.within.pop();
    }
}

impl<'ast> Visit<'ast> for Scan<'_, 'ast> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.within.push(Within::Type(name.unwrap_or_default()));
        visit::visit_item_impl(self, item);
        self.within.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig.ident, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig.ident, &item.block);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let constructor = match &*call.func {
            Expr::Path(path) => self.constructor(&path.path),
            _ => None,
        };
        match constructor {
            Some(constructor) => {
                self.note_call(call, constructor);
                call.args.iter().for_each(|argument| self.visit_expr(argument));
            }
            None => visit::visit_expr_call(self, call),
        }
    }

    // A constructor that is not called here is called elsewhere, with nobody knows what.
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if self.constructor(&path.path).is_some() {
            self.unclear(path, "a constructor is handed on");
        }
    }

    fn visit_expr_struct(&mut self, item: &'ast syn::ExprStruct) {
        let name = item.path.segments.last().map(|last| self.type_of(last));
        let made = STRUCTS.iter().find(|(of, _)| name.as_deref() == Some(of));
        let is_code = |field: &&syn::FieldValue| matches!(&field.member, Member::Named(name) if name == "code");
        if let Some((_, kind)) = made.filter(|_| !self.is_in_constructor())
            && let Some(code) = item.fields.iter().find(is_code)
        {
            match self.texts(&code.expr) {
                Ok(codes) => self.note(*kind, codes, None),
                Err(Unreadable) => self.unclear(item, "a code is given that cannot be read here"),
            }
        }
        visit::visit_expr_struct(self, item);
    }

    fn visit_use_rename(&mut self, item: &'ast syn::UseRename) {
        if STRUCTS.iter().any(|(name, _)| item.ident == name) {
            self.unclear(item, "what has codes is called otherwise here");
        }
    }

    // Macros are opaque to the parser; what they are given is looked at as text.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let tokens = item.tokens.to_string().replace(char::is_whitespace, "");
        let constructs =
            CONSTRUCTORS.iter().any(|(of, ..)| tokens.contains(&format!("{of}::new(")));
        if constructs || STRUCTS.iter().any(|(of, _)| tokens.contains(&format!("{of}{{"))) {
            self.unclear(item, "a code is given inside of a macro");
        }
    }
}

/// The value of a block.
fn last(block: &syn::Block) -> Option<&Expr> {
    match block.stmts.last()? {
        Stmt::Expr(expr, None) => Some(expr),
        _ => None,
    }
}

/// What a name is made from in a block, its own blocks included; nothing where it is made twice.
fn initial<'ast>(block: &'ast syn::Block, name: &syn::Ident) -> Option<&'ast Expr> {
    struct Locals<'a, 'ast>(&'a syn::Ident, Vec<Option<&'ast Expr>>);
    impl<'ast> Visit<'ast> for Locals<'_, 'ast> {
        fn visit_local(&mut self, local: &'ast syn::Local) {
            if matches!(&local.pat, Pat::Ident(pattern) if pattern.ident == *self.0) {
                self.1.push(local.init.as_ref().map(|init| &*init.expr));
            }
            visit::visit_local(self, local);
        }
    }
    let mut locals = Locals(name, Vec::new());
    locals.visit_block(block);
    let of_itself = |expr: &Expr| matches!(expr, Expr::Path(path) if path.path.is_ident(name));
    match locals.1[..] {
        [only] => only.filter(|expr| !of_itself(expr)),
        _ => None,
    }
}

/// The status of a constant's name, `NOT_FOUND`.
fn status_called(name: &str) -> Option<u16> {
    (400..600).find(|status| {
        let phrase =
            StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        phrase.is_some_and(|phrase| phrase.to_uppercase().replace([' ', '-'], "_") == name)
    })
}

/// A line of a table of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    /// The code.
    pub code: String,
    /// The other cells.
    pub cells: Vec<String>,
}

/// The lines of the table under a heading of a document in Markdown, in their order.
#[must_use]
pub fn documented(document: &str, heading: &str) -> Vec<Documented> {
    let section = document.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let lines = section.unwrap_or_default().lines();
    let row = |line: &str| {
        let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let (code, cells) = cells.split_once("` | ")?;
        let cells = cells.split(" | ").map(str::to_owned).collect();
        Some(Documented { code: code.to_owned(), cells })
    };
    lines.filter_map(row).collect()
}
