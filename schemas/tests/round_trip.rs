//! Every message reads back what it wrote, all fields filled and all fields empty.
