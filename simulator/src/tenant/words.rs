//! Names to choose from. Organisations stand under `.example` (RFC 2606), so that no record names anybody's domain.

pub(crate) const FIRST: [&str; 64] = [
    "Anna", "Ben", "Carla", "David", "Elena", "Felix", "Greta", "Henry", "Ines", "Jonas", "Katrin", "Lukas",
    "Maria", "Niklas", "Olga", "Paul", "Rosa", "Simon", "Tara", "Ulrich", "Vera", "Walter", "Yara", "Zoe",
    "Amir", "Bianca", "Colin", "Divya", "Emre", "Fatima", "Gavin", "Hana", "Ivan", "Julia", "Kenji", "Leila",
    "Milan", "Nora", "Oscar", "Priya", "Quentin", "Rafael", "Sofia", "Tomas", "Uma", "Victor", "Wanda",
    "Xenia", "Yusuf", "Zara", "Aline", "Bruno", "Chloe", "Dario", "Edith", "Frank", "Gloria", "Hugo", "Isla",
    "Joel", "Kira", "Liam", "Mona", "Noah",
];

pub(crate) const LAST: [&str; 64] = [
    "Adler", "Baker", "Castro", "Dahl", "Egger", "Fischer", "Gomez", "Hansen", "Ito", "Jansen", "Keller",
    "Lopez", "Meyer", "Novak", "Olsen", "Patel", "Quinn", "Rossi", "Sato", "Torres", "Unger", "Vogel",
    "Weber", "Young", "Zimmer", "Abbott", "Brandt", "Cole", "Duarte", "Ellis", "Farah", "Grant", "Huber",
    "Ivanov", "Jung", "Kumar", "Lang", "Moreau", "Nagy", "Ortiz", "Popov", "Reyes", "Schmidt", "Tanaka",
    "Urban", "Vargas", "Wagner", "Xu", "Yilmaz", "Ziegler", "Ahmed", "Becker", "Costa", "Dietz", "Eriksen",
    "Ferrari", "Gupta", "Hoffman", "Iyer", "Jacobs", "Klein", "Lind", "Murphy", "Nilsson",
];

/// What companies are called, and the labels of their domains.
pub(crate) const COMPANIES: [&str; 12] = [
    "alderbrook",
    "birkenfeld",
    "cobaltworks",
    "dovetail",
    "elmhurst",
    "fernhill",
    "granitel",
    "harborline",
    "ironleaf",
    "juniperco",
    "kestrelair",
    "lindenhof",
];

pub(crate) const PARTNERS: [&str; 8] = [
    "meridianlabs.example",
    "northgatelegal.example",
    "osprey-logistics.example",
    "pinecrest-audit.example",
    "quarrydesign.example",
    "rivertonbank.example",
    "saltmarsh.example",
    "tidewaterfreight.example",
];

/// Providers of mail for anybody.
pub(crate) const FREE_MAIL: [&str; 5] = [
    "postfach24.example",
    "freebox-mail.example",
    "my-inbox.example",
    "quickmail.example",
    "webpost.example",
];

pub(crate) const DEPARTMENTS: [&str; 8] =
    ["Finance", "Sales", "Marketing", "Operations", "HumanResources", "Engineering", "Legal", "Service"];

pub(crate) const FOLDERS: [&str; 6] =
    ["General", "Reports", "Contracts", "Planning", "Archive2025", "Templates"];

pub(crate) const DOCUMENTS: [&str; 16] = [
    "Budget",
    "Forecast",
    "Offer",
    "Invoice",
    "Minutes",
    "Roadmap",
    "Checklist",
    "Travel plan",
    "Price list",
    "Supplier list",
    "Onboarding",
    "Quarterly review",
    "Project plan",
    "Inventory",
    "Press note",
    "Training",
];

pub(crate) const EXTENSIONS: [&str; 4] = ["docx", "xlsx", "pptx", "pdf"];

pub(crate) const FLOWS: [&str; 16] = [
    "Invoice approval",
    "New hire checklist",
    "Order intake",
    "Ticket triage",
    "Weekly report",
    "Stock sync",
    "Contract reminder",
    "Lead routing",
    "Expense review",
    "Visitor log",
    "Shift plan",
    "Delivery notice",
    "Newsletter draft",
    "Meeting notes",
    "Quality check",
    "Price update",
];

pub(crate) const APPS: [&str; 12] = [
    "Room Booking",
    "Asset Tracker",
    "Holiday Request",
    "Inspection Form",
    "Canteen Menu",
    "Fleet Log",
    "Idea Box",
    "Stock Counter",
    "Visit Planner",
    "Parking",
    "Shift Swap",
    "Order Desk",
];

/// What people sort their mail into.
pub(crate) const MAIL_FOLDERS: [&str; 6] =
    ["Projects", "Suppliers", "Newsletters", "Travel", "Team", "Invoices"];

/// Applications that people let in for their own sign-in.
pub(crate) const SMALL_APPLICATIONS: [&str; 6] =
    ["Whiteboard Cloud", "Poll Maker", "Calendar Badge", "Diagram Studio", "Course Catalogue", "Survey Desk"];

/// Applications that ask for much.
pub(crate) const LARGE_APPLICATIONS: [&str; 6] = [
    "Mail Assistant Pro",
    "Document Vault",
    "Inbox Organizer",
    "Smart Signature",
    "Cloud Archive",
    "Contact Sync",
];

pub(crate) const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];
