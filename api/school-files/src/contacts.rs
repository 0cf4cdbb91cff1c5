//! Contacts of a guardian as they are gathered from fields.

use domain::identifiers::{Academie, E164};

use crate::phones;
use crate::report::Notice;
use crate::values;

/// Telephone numbers and address; whatever cannot be understood leaves a notice.
pub(crate) struct Contacts {
    academie: Option<Academie>,
    pub(crate) mobile: Option<E164>,
    pub(crate) others: Vec<E164>,
    pub(crate) email: Option<String>,
}

impl Contacts {
    pub(crate) fn new(academie: Option<Academie>) -> Self {
        Self { academie, mobile: None, others: Vec::new(), email: None }
    }

    /// The field meant for a mobile number.
    pub(crate) fn mobile(&mut self, field: &'static str, text: Option<&str>, notices: &mut Vec<Notice>) {
        let Some(text) = text else { return };
        match phones::understand(text, self.academie) {
            None => notices.push(Notice::UnreadablePhone(field)),
            Some(phone) if phone.mobile => self.mobile = Some(phone.number),
            Some(phone) => {
                notices.push(Notice::NotMobile(field));
                self.keep(phone.number);
            }
        }
    }

    /// A field for another number. A mobile found there is not promoted: only the field meant for
    /// it opens an account.
    pub(crate) fn other(&mut self, field: &'static str, text: Option<&str>, notices: &mut Vec<Notice>) {
        let Some(text) = text else { return };
        match phones::understand(text, self.academie) {
            None => notices.push(Notice::UnreadablePhone(field)),
            Some(phone) => self.keep(phone.number),
        }
    }

    pub(crate) fn email(&mut self, field: &'static str, text: Option<&str>, notices: &mut Vec<Notice>) {
        let Some(text) = text else { return };
        self.email = values::email(text.trim());
        if self.email.is_none() {
            notices.push(Notice::UnreadableEmail(field));
        }
    }

    fn keep(&mut self, number: E164) {
        if !self.others.contains(&number) {
            self.others.push(number);
        }
    }
}
