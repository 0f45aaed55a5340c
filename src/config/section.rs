//! Reads the keys of one TOML table into fields: what is missing stays at its default, what is wrong is reported at its place, and
//! what nobody asked for is unknown.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::model::Choice;
use super::report::{Report, join};

/// What a text was checked for; the error is what is allowed instead.
pub(super) type Check<T> = fn(&str) -> Result<T, &'static str>;

/// One table of the file. Each method asks for one key, and changes its field only when the file has a valid value for it.
pub(super) struct Section<'t> {
    table: Option<&'t DeTable<'t>>,
    /// As it is written in brackets; empty for the whole file.
    name: &'static str,
    /// The name, with its number where there are several.
    path: String,
    asked: Vec<&'static str>,
    report: &'t mut Report,
}

impl<'t> Section<'t> {
    pub(super) fn root(table: &'t DeTable<'t>, report: &'t mut Report) -> Self {
        Section { table: Some(table), name: "", path: String::new(), asked: Vec::new(), report }
    }

    /// The table `[name]`; its keys all have their defaults when the file has none.
    pub(super) fn table(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_>)) {
        let table = match self.find(name) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => return self.refuse_shape(name, value, &format!("must be a table, written as [{name}]")),
            },
        };
        let path = name.to_owned();
        let mut section = Section { table, name, path, asked: Vec::new(), report: self.report };
        read(&mut section);
        section.finish();
    }

    /// The tables `[[name]]`, one call each. True when the file has the key.
    pub(super) fn tables(&mut self, name: &'static str, mut read: impl FnMut(&mut Section<'_>)) -> bool {
        let Some(value) = self.find(name) else { return false };
        let DeValue::Array(entries) = value.get_ref() else {
            self.refuse_shape(name, value, &format!("must be a list of tables, each written as [[{name}]]"));
            return true;
        };
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{name}[{index}]");
            self.report.set_place(path.clone(), entry.span().start);
            let DeValue::Table(table) = entry.get_ref() else {
                let text = format!("must be a table, written as [[{name}]]");
                self.report.add(entry.span().start, path, text);
                continue;
            };
            let mut section =
                Section { table: Some(table), name, path, asked: Vec::new(), report: self.report };
            read(&mut section);
            section.finish();
        }
        true
    }

    pub(super) fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        field: &mut T,
    ) {
        let allowed = format!("an integer from {} to {}", range.start(), range.end());
        let Some(value) = self.find(key) else { return };
        if let Some(number) = self.integer_of(key, value, &range, &allowed) {
            *field = number;
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str, field: &mut bool) {
        let Some(value) = self.find(key) else { return };
        match value.get_ref() {
            DeValue::Boolean(on) => *field = *on,
            _ => self.refuse_type(key, value, "true or false"),
        }
    }

    pub(super) fn choice<T: Choice>(&mut self, key: &'static str, field: &mut T) {
        let Some(value) = self.find(key) else { return };
        if let Some(chosen) = self.choice_of(key, value) {
            *field = chosen;
        }
    }

    /// Like `choice`; the empty text is `None`.
    pub(super) fn choice_or_none<T: Choice>(&mut self, key: &'static str, field: &mut Option<T>) {
        let Some(value) = self.find(key) else { return };
        if value.get_ref().as_str() == Some("") {
            *field = None;
        } else if let Some(chosen) = self.choice_of(key, value) {
            *field = Some(chosen);
        }
    }

    pub(super) fn text<T>(&mut self, key: &'static str, check: Check<T>, field: &mut T) {
        let Some(value) = self.find(key) else { return };
        if let Some(text) = self.text_of(key, value, check) {
            *field = text;
        }
    }

    /// Like `text`; the empty text is `None`.
    pub(super) fn text_or_none<T>(&mut self, key: &'static str, check: Check<T>, field: &mut Option<T>) {
        let Some(value) = self.find(key) else { return };
        if value.get_ref().as_str() == Some("") {
            *field = None;
        } else if let Some(text) = self.text_of(key, value, check) {
            *field = Some(text);
        }
    }

    /// Like `text`, of a key that has no default.
    pub(super) fn required_text<T>(&mut self, key: &'static str, check: Check<T>, field: &mut T) {
        if self.find(key).is_none() {
            self.refuse_missing(key);
        }
        self.text(key, check, field);
    }

    pub(super) fn texts<T>(&mut self, key: &'static str, check: Check<T>, field: &mut Vec<T>) {
        self.list(key, "texts", field, |section, path, value| section.text_of(path, value, check));
    }

    pub(super) fn choices<T: Choice>(&mut self, key: &'static str, field: &mut Vec<T>) {
        self.list(key, "texts", field, |section, path, value| section.choice_of(path, value));
    }

    pub(super) fn integers<T: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        field: &mut Vec<T>,
    ) {
        let allowed = format!("an integer from {} to {}", range.start(), range.end());
        self.list(key, "integers", field, |section, path, value| {
            section.integer_of(path, value, &range, &allowed)
        });
    }

    /// The key is in the file, but breaks a rule that its type can not say.
    pub(super) fn refuse(&mut self, key: &str, text: impl Into<String>) {
        self.report.add_rule(&[&join(&self.path, key), &self.path], text);
    }

    pub(super) fn refuse_missing(&mut self, key: &str) {
        let text = format!("must be given in each [[{}]]", self.name);
        let place = self.path.clone();
        self.report.add_missing(&place, &join(&self.path, key), text);
    }

    /// Two entries of a list are the same.
    pub(super) fn refuse_repeated<T: PartialEq>(&mut self, key: &'static str, list: &[T]) {
        let is_repeated = |&index: &usize| list[..index].contains(&list[index]);
        for index in (0..list.len()).filter(is_repeated) {
            self.refuse(&format!("{key}[{index}]"), "stands in the list twice, once is enough");
        }
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        of: &str,
        field: &mut Vec<T>,
        read: impl Fn(&mut Self, &str, &Spanned<DeValue<'t>>) -> Option<T>,
    ) {
        let Some(value) = self.find(key) else { return };
        let DeValue::Array(entries) = value.get_ref() else {
            return self.refuse_type(key, value, &format!("a list of {of}, as in {key} = [ … ]"));
        };
        let entries: &DeArray<'t> = entries;
        let mut list = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{key}[{index}]");
            self.report.set_place(join(&self.path, &path), entry.span().start);
            list.extend(read(self, &path, entry));
        }
        // A list with a wrong entry is reported already; a shorter one would only break further rules.
        if list.len() == entries.len() {
            *field = list;
        }
    }

    fn integer_of<T: TryFrom<i64>>(
        &mut self,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        range: &RangeInclusive<i64>,
        allowed: &str,
    ) -> Option<T> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.refuse_type(path, value, allowed);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number =
            number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.refuse_value(path, value, &format!("{integer} is out of range"), allowed);
        }
        number
    }

    fn choice_of<T: Choice>(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let names: Vec<String> = T::ALL.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let allowed = names.join(", ");
        let DeValue::String(text) = value.get_ref() else {
            self.refuse_type(path, value, &format!("one of {allowed}"));
            return None;
        };
        let chosen = T::ALL.iter().find(|(name, _)| name == text).map(|(_, chosen)| *chosen);
        if chosen.is_none() {
            self.refuse_value(path, value, &format!("\"{text}\" is not known"), &allowed);
        }
        chosen
    }

    fn text_of<T>(&mut self, path: &str, value: &Spanned<DeValue<'_>>, check: Check<T>) -> Option<T> {
        let DeValue::String(text) = value.get_ref() else {
            self.refuse_type(path, value, "a text in quotes");
            return None;
        };
        match check(text) {
            Ok(checked) => Some(checked),
            Err(allowed) => {
                self.refuse_value(path, value, &format!("\"{}\" is not valid", text.escape_debug()), allowed);
                None
            }
        }
    }

    /// The value of a key; it counts as asked for, and its place is kept for rules over several keys.
    fn find(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.report.add_known(self.name, key);
        self.asked.push(key);
        let value = self.table?.get(key)?;
        self.report.set_place(join(&self.path, key), value.span().start);
        Some(value)
    }

    fn refuse_shape(&mut self, key: &str, value: &Spanned<DeValue<'_>>, text: &str) {
        let text = format!("is {}, {text}", article(value.get_ref()));
        self.report.add(value.span().start, join(&self.path, key), text);
    }

    fn refuse_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, allowed: &str) {
        self.refuse_shape(key, value, &format!("allowed: {allowed}"));
    }

    fn refuse_value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wrong: &str, allowed: &str) {
        self.report.add(value.span().start, join(&self.path, key), format!("{wrong}, allowed: {allowed}"));
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                self.report.add_unknown(key.span().start, self.name, &self.path, name);
            }
        }
    }
}

/// What a value is, as a reader of the file would say.
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
