"""What the lexical ranker knows beyond the taxonomy: everyday words that point at words a taxonomy uses. Tables only.

In each table a line at the margin names tags (ids or aliases); the indented lines below it are what counts as them,
in whatever taxonomy has such a tag. General programming vocabulary in English and Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being between both but by
    can could did do does doing done down during each either else end etc even ever every few for from further get
    gets give go goes good got had has have having he her here him his how i if in instead into is it its itself
    just keep kind let like make makes many may me mean means merely might more most much must my need needed
    needs new no nor not now of off often on once one only or other our out over own part parts per place plain
    please put rather same see several she should show shown shows single small so some something such take takes
    than that the their them then there these they thing things this those through to too two under until up us
    use used user uses using usual very want wants was way we well were what when where which while who whose why
    will with without work works would you your
    """.split()  # noqa: SIM905 - a list literal of these would be two hundred lines
)

#: What a request says it wants: patterns, read in the user's words only.
REQUESTS = r"""
understand learn explain code-explanation
    什么是|是什么|区别|解释|原理|讲讲|介绍一下|怎么用|为什么|含义|什么意思|概念|如何理解
    \b(?:explain|what (?:is|are|does|do)|how (?:does|do|is|are)|why (?:does|do|is|are))\b
    \b(?:differences? between|understand|tell me about|teach me|walk me through|meaning of)\b
build create implement feature-implementation
    写一?个|帮我写|实现|创建|搭建|开发|生成(?!器)|设计一?个|添加|封装|帮我用|帮我做|用.{1,20}写|帮我把
    帮我给|\b(?:write|implement|create|build|develop|generate|design|add|make|set up|convert|port)\b
debug fix troubleshoot diagnose bug-fixing
    报错|错误码?[:：]|异常|崩溃|失败|修复|怎么修|诊断|排查|不工作|断开|怎么解决|怎么办|编译不过|卡死|泄漏
    偶现|很慢|占用 ?\d+ ?%
    \b(?:error|traceback|exception|crash\w*|fails?|failing|failed|broken|not working|doesn'?t work|bug)\b
    \b(?:fix|debug|panic|segfault|troubleshoot|diagnose|wrong (?:result|output)|leak|race condition)\b
    \b(?:stuck|hangs?|timed? ?out)\b
review evaluate critique code-review-task
    审查|评审|审核|\breview\b|\bcritique\b|\bfeedback on\b|\baudit\b|看看.{0,8}问题|改进建议
decide choose compare trade-offs
    选哪个|选择哪|该选|该学哪|还是.{0,24}[？?]|对比|优缺点|取舍|选型|哪个(?:更好|好)
    \b(?:vs\.?|versus|which (?:one|should|is better)|should (?:i|we) (?:use|choose|pick)|compare)\b
    \b(?:trade-?offs?|pros and cons|recommend)\b
code-translation translate
    转成|转换成|改写成|翻译成|移植
    \b(?:convert|port|translate|rewrite) (?:this|it|the|my)?.{0,30}\b(?:to|in|into)\b
code-refactoring refactor
    重构|拆分|模块化|\brefactor\w*|\brestructur\w+|\bclean up\b
migration upgrade
    迁移|\bmigrat\w+|\bupgrad\w+ (?:from|to)\b|升级
configuration configure
    配置|\bconfig\w*|\bset ?up\b|compose|\bworkflow\b|playbook|toolchain|工具链|\.ya?ml\b
deployment deploy
    部署|容器化|上线|\bdeploy\w*|\brelease\b|\bkubernetes\b|\bdocker compose\b|\bci\b|github actions
    workflow
monitoring metrics
    监控|告警|\bmonitor\w*|\bprometheus\b|\bgrafana\b|\balert\w*|\bdashboards?\b
testing-task tests
    测试|覆盖率|\b(?:unit |integration )?tests?\b|\bpytest\b|\bjest\b|\bcoverage\b
code-optimization
    优化|性能|很慢|慢查询|提速|高性能|过拟合|\boptimi[sz]\w*|\bfaster\b|\bspeed up\b|\bslow\b
performance-analysis profiling
    很慢|瓶颈|\bexplain\b.{0,20}\btype=|\bprofil\w+|\bbottleneck|\bbenchmark\w*|\bqps\b|的性能|\blatency\b
schema-design
    建表|表结构|\bschema\b|数据模型|\bdata model\w*|\bcreate table\b|\bentit(?:y|ies)\b|core data
api-design endpoints
    \brest(?:ful)?\b|\bapi\b|\bendpoints?\b|\bgraphql\b|\bgrpc\b|接口|\bcrud\b|\bmiddleware\b|反向代理
security-audit vulnerability-scan cybersecurity
    安全性|漏洞|\bvulnerabilit\w+|\bsecurity\b|\bpenetration\b
dependency-management
    包管理|依赖|\bdependenc\w+|\bpoetry\b|\bpackage manager\b|\blint\w*|\bprettier\b
error-handling-task error-handling
    错误处理|处理.{0,6}错误|异常处理|\berror handling\b|\bhandles? .{0,20}errors?\b|\bvalidat\w+
    \bretr(?:y|ies)\b|at-least-once
"""

#: What a conversation is about: words (phrases with _), fields and ideas. An ASCII word counts where it stands as a
#: word, any other wherever it stands.
TOPICS = """
web-frontend
    react vue angular svelte css html dom jsx tsx tailwind webpack vite redux next.js nuxt flexbox frontend
    browser 前端 组件 页面
web-backend
    express express.js flask django fastapi spring spring_boot rails laravel gin koa nestjs http_server
    middleware web_server backend websocket oauth oauth2 node.js reverse_proxy session 后端 反向代理 登录
api-development
    rest_api restful graphql grpc openapi swagger crud api_route endpoint webhook rate_limiter rate_limiting
    接口 限流
api-protocols
    http rest graphql grpc websocket status_code header protocol json-rpc endpoint restful 状态码 协议
database-administration database-concepts
    sql mysql postgresql postgres sqlite mongodb oracle database join transaction isolation mvcc
    connection_pool sqlalchemy foreign_key index query 数据库 事务 索引 建表 查询
devops
    docker dockerfile docker_compose kubernetes k8s kubectl helm ci github_actions jenkins gitlab terraform
    ansible nginx prometheus grafana pod container 容器 流水线 运维
ci-cd
    ci cd ci/cd github_actions jenkins gitlab_ci workflow pipeline deployment 流水线 持续集成
cloud-computing
    aws azure gcp eks s3 lambda serverless cloud 云服务 云原生
version-control
    git rebase merge_conflict branch commit cherry-pick
systems-programming
    malloc allocator lock-free atomic mutex syscall memory_ordering goroutine ownership borrowing
    garbage_collector zero-copy object_pool 内存 无锁 系统编程 零拷贝 线程安全
operating-systems
    scheduler linux_kernel page_table filesystem interrupt 内核 操作系统
compiler-development
    parser compiler lexer llvm jit ast interpreter language_server lsp 编译器 解析器
network-programming
    tcp udp socket port_scanner proxy dns packet echo_server pub/sub 端口 代理 网络编程
data-science
    pandas dataframe numpy jupyter matplotlib statistics 数据清洗 数据分析
data-engineering
    etl kafka spark airflow csv olap data_pipeline warehouse data_migration 迁移数据 消息队列
machine-learning
    pytorch tensorflow keras xgboost sklearn scikit-learn cnn neural_network overfitting machine_learning
    机器学习 深度学习 过拟合 模型训练
scientific-computing
    matrix simulation numerical linear_algebra fft 矩阵 数值计算
mobile-development
    ios android swiftui react_native flutter mobile 移动端 多端 小程序
game-development
    pygame unity unreal godot game sprite pathfinding 游戏
financial-technology
    payment trading stock banking invoice fintech portfolio backtest 支付 股票 回测 金融
blockchain
    solidity erc-20 erc20 smart_contract ethereum web3 blockchain 智能合约 区块链
e-commerce
    e-commerce ecommerce shopping_cart checkout 电商 购物
cli-tool
    cli command-line command_line argparse clap click subcommand 命令行 子命令
automation
    cron bash_script scraper scraping automate automation 自动化 爬虫 遍历目录
cybersecurity
    xss csrf vulnerability port_scanner penetration exploit security 漏洞 安全性 扫描器
security
    xss csrf injection oauth oauth2 pkce jwt password encryption ssl tls gdpr authentication security 安全性
    漏洞 加密 鉴权 登录
concurrency
    thread mutex lock locking goroutine channel async asyncio await concurrent concurrency race_condition
    deadlock atomic tokio gil crdt mvcc thread-safe semaphore 并发 线程 协程 竞态 异步 无锁
memory-management
    malloc allocation allocator garbage_collector garbage_collection pointer memory_leak memory_layout
    memory_ordering shared_memory heap zero-copy unsafe 内存 垃圾回收 零拷贝
ownership
    ownership borrow borrowing lifetime move_semantics pin 所有权 借用
type-system
    generic type_guard type_inference type_safety type_system trait union_type assignable 泛型 类型系统
data-structures
    binary_tree search_tree linked_list hash_map hashmap skip_list b+_tree heap priority_queue trie queue
    data_structure ring_buffer crdt 数据结构 链表 哈希表 队列 二叉树
algorithms
    algorithm sort sorting dynamic_programming pathfinding sliding_window complexity knapsack traversal
    gradient tiling 算法 排序 动态规划 背包 复杂度 滑动窗口
metaprogramming
    decorator macro reflection metaclass plugin code_generation 装饰器 元编程 反射
caching
    cache caching ttl lru memoize memoization eviction stale 缓存 过期
architecture
    microservice monolith distributed cap_theorem event-driven load_balancing cqrs modular 微服务 单体
    分布式 架构 模块化
object-oriented-programming
    class inheritance polymorphism encapsulation object-oriented 面向对象
design-patterns
    factory singleton observer strategy_pattern dependency_injection mvc repository_pattern 设计模式
testing
    pytest jest unit_test mock fixture coverage test_suite 单元测试 覆盖率
error-handling
    except catch error_handling retry exception 错误处理 异常处理
functions
    closure callback lambda args kwargs higher-order 闭包 回调
iterators
    generator iterator yield 生成器 迭代器
recursion
    recursive recursion recursively 递归
"""

#: What a user demands of the result: patterns, read in the user's words only.
DEMANDS = r"""
thread-safe
    线程安全|\bthread[- ]?safe\b|并发(?:缓存|安全)
lock-free
    无锁|\block[- ]?free\b|\bwait[- ]?free\b
performance-optimized
    高性能|低延迟|\bhigh[- ]performance\b|\blow[- ]latency\b|\boptimi[sz]\w+|优化|很慢|\bqps\b|cpu 占用
    的性能
scalable
    可扩展|高并发|\bscalab\w+|\bmillions? of\b|日均|百万
idempotent
    幂等|\bidempoten\w+
portable
    可移植|跨平台|\bportab\w+|\bcross-platform\b
gdpr-compliant
    \bgdpr\b
hipaa-compliant
    \bhipaa\b
pci-dss-compliant
    \bpci[- ]dss\b
no-dynamic-allocation
    无动态内存|不使用 ?malloc|\bno (?:dynamic|heap) allocation\b|\bno[- ]malloc\b
no-external-dependencies
    不(?:用|使用|依赖)第三方|标准库|\bno (?:external )?dependenc\w+|\bstandard library only\b|\bvanilla\b
    \bfrom scratch\b
backward-compatible
    向后兼容|\bbackwards?[- ]compatib\w+
accessible
    \baccessib\w+|\bwcag\b|无障碍
fault-tolerant
    容错|\bfault[- ]toleran\w+|\bresilien\w+
no-recursion
    不(?:用|使用)递归|\bno recursion\b|\bwithout recursion\b|\biteratively\b
deterministic
    \bdeterministic\b|\breproducib\w+|可复现
stateless
    \bstateless\b|无状态
type-safe
    \btype[- ]?safe\b|\bstrict mode\b|类型安全
internationalized
    \bi18n\b|国际化|多语言
"""

#: How demanding a request sounds: patterns; without any of them it is the usual case.
LEVELS = r"""
expert
    \b(?:lock-free|jit|kernel|llvm|formal(?:ly)?|cryptograph\w+|b\+ ?tree|memory ordering)\b|内核|无锁
advanced
    \b(?:distributed|concurren\w+|high[- ]performance|mvcc|allocator|operator|rate limit\w*)\b
    \b(?:message broker|webpack plugin|language server|lsp|connection pool|gdpr|idempotent)\b
    \b(?:race condition|crdt|thread-safe|cuda|zero-copy)\b|分布式|高性能|线程安全|零拷贝|生产环境
beginner
    什么是|有什么区别|怎么用|\bsimple (?:page|html|script|function|program)\b|hello world|\bbeginner\b|新手
    入门|\bbasic\b|\bdifference between\b|是什么意思
"""

#: What tools and commands of an agent amount to: patterns, read in tool calls and their results only.
ACTIONS = r"""
file-operations
    \b(?:read|write|edit|create|view|open|search|list)_?(?:file|dir\w*|code)?s?\b
    \b(?:glob|grep|cat|sed|ls|str_replace\w*)\b
bash-execution
    \b(?:bash|shell|terminal|execute_command|run_command|exec|run)\b
git-operations
    \bgit (?:status|diff|commit|log|add|blame|checkout|branch)\b
test-running
    \b(?:pytest|jest|go test|cargo test|npm (?:run )?test|unittest|mocha|rspec)\b
dependency-installation
    \b(?:pip3? install|npm (?:i|install|ci)|yarn add|pnpm add|apt(?:-get)? install|cargo add|go get)\b
build-execution
    \b(?:docker (?:compose )?build|cargo build|npm run build|make|go build|mvn|gradle)\b
database-query
    \b(?:psql|mysql|sqlite3|mongo(?:sh)?|db_query|query_database)\b
static-analysis
    \b(?:eslint|ruff|mypy|pylint|clippy|tsc --noemit|flake8)\b
web-search
    \b(?:web_search|search_web|browse|fetch_url)\b
api-calling
    \b(?:curl|http_request|api_call)\b
planning
    \b(?:todo_?write|update_plan|plan|first,? i(?:'ll| will)|step 1)\b|计划|首先
error-recovery
    \b(?:error|failed|not found|permission denied|no such file)\b
visual-understanding
    \b(?:screenshot|image_view|view_image)\b
ui-automation
    \b(?:click|browser_\w+|playwright|selenium)\b
"""


def read_table(table: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """(names, indented lines) of each entry."""
    names: tuple[str, ...] = ()
    lines: list[str] = []
    for line in table.strip().splitlines():
        if line.startswith(" "):
            lines.append(line.strip())
            continue
        if names:
            yield names, lines
        names, lines = tuple(line.split()), []
    yield names, lines


def compile_cues(table: str) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """One pattern an entry. ASCII: between a Chinese character and a Latin letter there is a word's edge."""
    return [(re.compile("|".join(lines), re.IGNORECASE | re.ASCII), names) for names, lines in read_table(table)]
