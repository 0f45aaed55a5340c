//! Decimal numbers of header values, whatever their count of digits.
