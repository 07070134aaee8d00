"""Words that hint at what the user wants, in groups, on word edges, in English and Chinese. Tables only."""

from __future__ import annotations

from collections import Counter

from rayjob.labels.mentions import Mentions

_GROUPS = {
    "explain": "explain|what (?:is|are|does)|how (?:does|do|is)|difference between|understand|meaning of",
    "build": "write|implement|create|build|develop|generate|set up|add (?:a|an|support)",
    "debug": (
        "debug|bugs?|errors?|exceptions?|traceback|crash(?:es|ed|ing)?|fails?|failed|failing|broken|not working"
        "|fix(?:es|ed)?|panic|segfault|stack ?trace|troubleshoot|diagnose"
    ),
    "review": "review|code review|critique|feedback on|audit|what do you think|best practices?",
    "decide": (
        "vs\\.?|versus|which (?:one|should|is better)|should (?:i|we) use|compare|comparison|trade-?offs?"
        "|pros and cons|choose"
    ),
    "performance": (
        "slow(?:er|ly)?|optimi[sz]\\w*|performance|latency|throughput|bottlenecks?|profil(?:e|ing)|memory leaks?|faster"
    ),
    "security": (
        "security|secure|vulnerab\\w*|xss|csrf|injection|authenticat\\w*|authoriz\\w*|encrypt\\w*|oauth2?|jwt"
    ),
    "testing": "(?:unit |integration |e2e )?tests?|testing|pytest|jest|coverage|mock(?:s|ing)?",
    "concurrency": (
        "race conditions?|deadlocks?|mutex(?:es)?|threads?|thread-safe|goroutines?|async|await|concurren\\w*"
        "|lock-free|parallel\\w*|atomics?"
    ),
    "refactor": "refactor\\w*|clean up|restructure|simplify|readab\\w*|maintainab\\w*",
    "translate": "convert|migrat\\w+|port (?:it|this|to)|translate|rewrite (?:it |this )?in|upgrade",
    "deploy": "deploy\\w*|kubernetes|k8s|docker\\w*|ci/cd|pipelines?|terraform|helm|nginx|aws|github actions",
    "data": "datasets?|dataframes?|csv|etl|data cleaning|pandas|analytics|statistics",
    "learning": (
        "machine learning|deep learning|neural networks?|training|model training|pytorch|tensorflow|overfit\\w*"
    ),
    "api": "apis?|rest(?:ful)?|graphql|endpoints?|grpc|webhooks?",
}
_CHINESE = {
    "explain": "解释|什么是|是什么|区别|原理|讲讲|介绍|怎么用|为什么要|含义|意思",
    "build": "写一个|帮我写|实现|创建|搭建|开发|生成|设计一个|封装",
    "debug": "报错|错误|异常|崩溃|失败|修复|怎么修|诊断|排查|不工作|调试|卡死|泄漏",
    "review": "审查|评审|代码审核|看看.{0,6}问题|有什么问题|改进建议",
    "decide": "选哪个|该选|还是.{0,12}[？?]|对比|比较|优缺点|取舍|选型",
    "performance": "性能|优化|很慢|慢查询|瓶颈|延迟|吞吐|提速|内存占用",
    "security": "安全|漏洞|加密|鉴权|认证|注入|登录",
    "testing": "测试|覆盖率|单测",
    "concurrency": "并发|线程|协程|死锁|竞态|异步|无锁|锁",
    "refactor": "重构|模块化|简化|可读性|拆分",
    "translate": "转成|转换|迁移|改写成|翻译|移植|升级",
    "deploy": "部署|容器化|上线|流水线|运维|监控",
    "data": "数据清洗|数据分析|数据集|统计|报表|爬虫",
    "learning": "机器学习|深度学习|神经网络|训练|过拟合|模型",
    "api": "接口",
}


# English words stand apart, Chinese ones need not.
_MENTIONS = Mentions(((r"(?<![a-z0-9_])", r"(?![a-z0-9_])"), _GROUPS), ((r"(?=[^\x00-\x7f])", ""), _CHINESE))


def count_keywords(prose: str) -> Counter[str]:
    """How many key words of each group the text has, in whatever case."""
    return _MENTIONS.count(prose.lower())
