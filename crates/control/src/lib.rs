//! Control loops: observe, advise, apply, verify, roll back; the ledger; drivers.
