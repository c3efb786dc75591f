//! Migration as a program writes it: what a value tells of itself, and how another is made of it.

use std::fmt::{self, Display, Formatter};

use midair_trampolines::persist::Sink;
use midair_trampolines::text::RawText;

use crate::hook::caught;

mod text;

/// What a value holds, in a form that describes itself: fields by name, so that one that came or
/// went does no harm.
///
/// # Examples
/// ```
/// use midair::Value;
///
/// let score = Value::map([("points", Value::from(7_u64)), ("name", Value::from("Ada"))]);
/// assert_eq!(score.field("points").and_then(Value::as_u64), Some(7));
/// assert_eq!(score.field("mana"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    #[default]
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in order.
    Map(Vec<(String, Value)>),
}

/// A form that is not what [`StateMigration::import`] expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ImportError {
    what: String,
}

impl ImportError {
    /// The import failed because of `what`.
    pub fn new(what: impl Display) -> Self {
        Self { what: what.to_string() }
    }
}

/// A type whose values can tell what they hold, and be made out of what a value of another edition
/// of the type told.
///
/// Old code exports, new code imports; neither needs to know the layout of the other. It serves
/// statics that are written `#[persist(migrate)]`.
///
/// # Examples
/// ```
/// use midair::{ImportError, StateMigration, Value};
///
/// struct Score {
///     points: u64,
///     mana: u32, // new in this edition
/// }
///
/// impl StateMigration for Score {
///     fn export(&self) -> Value {
///         Value::map([("points", self.points.into()), ("mana", self.mana.into())])
///     }
///
///     fn import(form: &Value) -> Result<Self, ImportError> {
///         Ok(Self {
///             points: form.required("points")?.as_u64().unwrap_or_default(),
///             mana: form.field("mana").and_then(Value::as_u64).unwrap_or(100) as u32,
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell what it holds, so it cannot be migrated",
    label = "`StateMigration` is not implemented for `{Self}`",
    note = "implement `midair::StateMigration`, or name a function: `#[persist(migrate = \
            path::to::function, from = OldType)]`"
)]
pub trait StateMigration: Sized {
    /// What it holds.
    fn export(&self) -> Value;

    /// A value that holds what another told.
    ///
    /// # Errors
    /// What is missing; the patch is refused then.
    fn import(form: &Value) -> Result<Self, ImportError>;
}

impl<T: StateMigration> StateMigration for std::sync::Mutex<T> {
    fn export(&self) -> Value {
        self.lock().unwrap_or_else(std::sync::PoisonError::into_inner).export()
    }

    fn import(form: &Value) -> Result<Self, ImportError> {
        T::import(form).map(Self::new)
    }
}

impl<T: StateMigration> StateMigration for std::sync::RwLock<T> {
    fn export(&self) -> Value {
        self.read().unwrap_or_else(std::sync::PoisonError::into_inner).export()
    }

    fn import(form: &Value) -> Result<Self, ImportError> {
        T::import(form).map(Self::new)
    }
}

impl Value {
    /// A map of these fields.
    pub fn map<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// A list of these values.
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    /// The field of a map.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The field of a map that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, name: &str) -> Result<&Self, ImportError> {
        self.field(name).ok_or_else(|| ImportError::new(format_args!("no field {name:?}")))
    }

    /// The values of a list; none of anything else.
    #[must_use]
    pub fn values(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }

    /// A truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A whole number that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::Float(value.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Integer(value as i128)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&text::written(self))
    }
}

/// Makes a new instance with the function that the static names, in its own image.
///
/// # Safety
/// - `old` is the address of an `O` that lives for the time of the call.
pub unsafe fn migrate<O: Sync, N: Send + Sync, E: Display>(
    old: *const (),
    new: &mut *mut (),
    failed: Sink,
    with: impl FnOnce(&O) -> Result<N, E>,
) -> bool {
    caught(failed, || {
        // SAFETY: the caller vouches for it.
        let old = unsafe { &*old.cast::<O>() };
        let made = with(old).map_err(|error| error.to_string())?;
        *new = Box::into_raw(Box::new(made)).cast();
        Ok(())
    })
}

/// Tells what an instance holds, in its own image.
///
/// # Safety
/// - `old` is the address of a `T` that lives for the time of the call.
pub unsafe fn export<T: StateMigration + Sync>(old: *const (), told: Sink) -> bool {
    let mut form = None;
    let done = caught(told, || {
        // SAFETY: the caller vouches for it.
        let old = unsafe { &*old.cast::<T>() };
        form = Some(text::written(&old.export()));
        Ok(())
    });
    if let Some(form) = form {
        (told.take)(told.context, RawText::new(&form));
    }
    done
}

/// Makes an instance out of what another told, in its own image.
///
/// # Safety
/// - `form` is lent for the time of the call.
pub unsafe fn import<T: StateMigration + Send + Sync>(
    form: RawText,
    new: &mut *mut (),
    failed: Sink,
) -> bool {
    caught(failed, || {
        // SAFETY: the caller vouches for it.
        let form = unsafe { form.to_string_lossy() };
        let form = text::read(&form).ok_or("the form cannot be read")?;
        let made = T::import(&form).map_err(|error| error.to_string())?;
        *new = Box::into_raw(Box::new(made)).cast();
        Ok(())
    })
}

/// Ends the life of an instance that one of the functions above made, in its own image.
///
/// # Safety
/// - `instance` came from one of them, for the same type, and is not used again.
pub unsafe fn discard<T>(instance: *mut ()) {
    // SAFETY: the caller vouches for it.
    let instance = unsafe { Box::from_raw(instance.cast::<T>()) };
    crate::domain::guarded("dropping state that was not needed", || drop(instance));
}
