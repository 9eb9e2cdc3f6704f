//! The codes of all diagnostics.

use agentgen_schema::vocabulary;

vocabulary! {
    /// What kind of thing a diagnostic is about. The number never changes its meaning.
    pub enum Code {
        // Reading files: 001 to 019.
        /// The file has no frontmatter.
        NoFrontmatter = "AG001",
        /// The frontmatter has no end.
        UnclosedFrontmatter = "AG002",
        /// The file is not UTF-8 text.
        NotText = "AG003",
        /// The file or its frontmatter is too large.
        TooLarge = "AG004",
        /// The frontmatter is not valid YAML; it was read as it was plainly meant.
        Repaired = "AG005",
        /// The frontmatter can't be read.
        Unreadable = "AG006",
        /// The YAML uses an anchor, alias or tag.
        AnchorOrTag = "AG007",
        /// The YAML is nested too deeply.
        TooDeep = "AG008",
        /// A key is defined twice.
        DuplicateKey = "AG009",
        /// YAML cuts a plain value at ` #`.
        CutByComment = "AG010",
        /// The line ends are unusual.
        LineEnds = "AG011",
        /// The frontmatter ends with an unusual line.
        OddClosing = "AG012",
        /// Literal `\n` is used for line breaks.
        LiteralLineBreaks = "AG013",
        /// The file can't be read from the disk.
        Io = "AG014",
        /// A tab, a space or a missing line puts something in the wrong place.
        Layout = "AG015",

        // Specs and their names: 020 to 039.
        /// The agent has no name of its own.
        NameMissing = "AG020",
        /// The name can't be used.
        NameUnusable = "AG021",
        /// Two agents meet in one generated name.
        NameCollision = "AG022",
        /// The agent has no description.
        DescriptionMissing = "AG023",
        /// The body is empty.
        BodyEmpty = "AG024",
        /// A key has a value of the wrong kind.
        WrongType = "AG025",
        /// There is no such key.
        UnknownKey = "AG026",
        /// The value is not one of the allowed values.
        UnknownValue = "AG027",
        /// A tool that a service can't run.
        ToolNotExecutable = "AG028",
        /// The text contains invisible or bidirectional control characters.
        HiddenCharacters = "AG029",
        /// The schedule of a workflow can't be followed.
        BadSchedule = "AG030",
        /// A workflow does not take what its schedule gives it.
        ScheduledInput = "AG031",
        /// A person approves calls of a tool that the agent does not have.
        ApprovalWithoutTool = "AG032",
        /// An agent file defines an MCP server, and the service's settings don't allow that.
        InlineMcpServer = "AG033",
        /// A key has no effect in a service.
        KeyWithoutEffect = "AG036",
        /// A rule on tools has another effect in a service than it seems to have.
        ToolReach = "AG037",
        /// The service's settings have no such MCP server.
        McpServerMissing = "AG038",

        // The service block and its schemas: 040 to 069.
        /// The service block is in two places.
        ServiceTwice = "AG040",
        /// The service block belongs to no agent.
        OrphanSidecar = "AG041",
        /// The endpoint can't be served.
        BadEndpoint = "AG042",
        /// Two endpoints meet in one route or name.
        EndpointCollision = "AG043",
        /// There is no such agent.
        UnknownAgent = "AG044",
        /// The setting has a value that can't be used.
        BadSetting = "AG045",
        /// The workflow can't be run.
        BadWorkflow = "AG046",
        /// The agent's endpoints need roles, the agent itself none.
        OpenAgent = "AG047",
        /// The schema is not valid.
        BadSchema = "AG050",
        /// The schema says something that is not read, or has no effect.
        UnsupportedSchema = "AG051",
        /// The schema leaves open what the value is, or no Rust type says it.
        OpenSchema = "AG052",
        /// Two properties or values meet in one name.
        FieldCollision = "AG053",

        // Templates and outputs: 070 to 089.
        /// The template can't be used.
        BadTemplate = "AG070",
        /// What a template produced is not valid.
        BadOutput = "AG071",
        /// Two agents give one component different contents.
        ComponentCollision = "AG072",
        /// Arazzo can't say a condition.
        UnsaidCondition = "AG073",
        /// Arazzo can't say that a workflow waits.
        UnsaidWait = "AG074",
        /// Arazzo can't say how many calls a step makes.
        UnsaidUnits = "AG075",

        // The project: 090 to 099.
        /// The configuration can't be used.
        BadConfig = "AG090",
        /// There is no such folder or file.
        NotFound = "AG091",
        /// There are no agents.
        NoAgents = "AG092",
        /// A generated file was edited by hand.
        Conflict = "AG093",
        /// The module of the user's handlers does not name a stub.
        StubUnnamed = "AG094",
        /// Something is where a new thing was to be.
        Taken = "AG095",
        /// A path or a link leads out of the project.
        OutsideProject = "AG096",
        /// A repository has agents in folders that are not read.
        AgentsElsewhere = "AG097",
        /// There is a handler of an agent that is gone.
        HandlerOrphaned = "AG098",
    }
}
