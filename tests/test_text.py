"""Words in every script: where there are no spaces, characters are words, and what stands in a text is found."""

import pytest

from memfactory_core.component import kinds
from memfactory_core.scoring.retrieval import evaluate_retriever
from memfactory_core.stores.lance import Lance
from memfactory_core.tasks.jsonl import AnyFile
from memfactory_core.tasks.sections import cut
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import contains_words, search_terms, stem, words
from memfactory_core.types import Evidence, Example
from tests.tasks.records import ALL, check_evidence, write

TEXTS = {
    "Chinese": [
        ("小明骑一辆红色的自行车去上班。", "小明骑什么颜色的自行车？", "红色的自行车"),
        ("小红在上海的医院工作。", "小红在哪里工作？", "上海的医院"),
        ("李雷养了一只黑猫。", "李雷养了什么动物？", "一只黑猫"),
    ],
    "Japanese": [
        ("私は毎朝コーヒーを飲みます。", "毎朝何を飲みますか？", "コーヒーを飲みます"),
        ("妹は大阪の学校で働いています。", "妹はどこで働いていますか？", "大阪の学校"),
        ("犬の名前はポチです。", "犬の名前は何ですか？", "ポチ"),
    ],
    "Thai": [
        ("ฉันขี่จักรยานสีแดงไปทำงาน", "จักรยานสีอะไร", "จักรยานสีแดง"),
        ("พี่สาวทำงานที่โรงพยาบาลในเชียงใหม่", "พี่สาวทำงานที่ไหน", "โรงพยาบาลในเชียงใหม่"),
        ("แมวของฉันชื่อมะลิ", "แมวชื่ออะไร", "ชื่อมะลิ"),
    ],
    "Khmer": [
        ("ខ្ញុំជិះកង់ពណ៌ក្រហមទៅធ្វើការ។", "កង់ពណ៌អ្វី?", "កង់ពណ៌ក្រហម"),
        ("បងស្រីធ្វើការនៅមន្ទីរពេទ្យភ្នំពេញ។", "បងស្រីធ្វើការនៅឯណា?", "មន្ទីរពេទ្យភ្នំពេញ"),
        ("ឆ្មារបស់ខ្ញុំឈ្មោះម្លិះ។", "ឆ្មាឈ្មោះអ្វី?", "ឈ្មោះម្លិះ"),
    ],
    "Burmese": [
        ("ကျွန်တော် စက်ဘီးအနီစီးသည်။", "စက်ဘီးဘာအရောင်လဲ။", "စက်ဘီးအနီ"),
        ("အစ်မသည်ရန်ကုန်ဆေးရုံတွင်အလုပ်လုပ်သည်။", "အစ်မဘယ်မှာအလုပ်လုပ်သလဲ။", "ရန်ကုန်ဆေးရုံ"),
        ("ကြောင်နာမည်မှာမိုးဖြစ်သည်။", "ကြောင်နာမည်ဘယ်လိုခေါ်လဲ။", "မိုး"),
    ],
    "Korean": [
        ("저는 빨간 자전거로 출근합니다.", "자전거는 무슨 색입니까?", "빨간 자전거"),
        ("언니는 부산의 병원에서 일합니다.", "언니는 어디서 일합니까?", "부산의 병원"),
        ("고양이 이름은 나비입니다.", "고양이의 이름은?", "나비"),
    ],
    "mixed": [
        ("我的iPhone15手机在2023年5月坏了。", "iPhone15手机什么时候坏了？", "2023年5月"),
        ("Ann在Google的上海办公室上班。", "Ann在哪里上班？", "上海办公室"),
        ("WiFi密码是Rex2024。", "WiFi密码是什么？", "rex2024"),
    ],
}  # fmt: skip


def examples(language: str) -> list[Example]:
    observations = tuple(text for text, _, _ in TEXTS[language])
    return [
        Example(
            id=str(n), observations=observations, question=question, answers=("x",),
            evidence=(Evidence(text=evidence, observation=n),),
        )
        for n, (_, question, evidence) in enumerate(TEXTS[language])
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["bm25", "dense", "hybrid"])
@pytest.mark.parametrize("language", TEXTS)
def test_every_retriever_finds_the_memory_in_every_script(language, kind):
    for store in ({}, {"store": Lance()}):
        found = evaluate_retriever(kinds("retrievers")[kind](), examples(language), (1,), **store)
        assert found["all"]["recall@1"]["mean"] == 1.0


@pytest.mark.parametrize("language", TEXTS)
def test_evidence_that_is_literally_there_is_found(language, tmp_path):
    told = [text for text, _, _ in TEXTS[language]]
    records = [
        {"context": told, "question": question, "answer": evidence, "evidence": [evidence]}
        for _, question, evidence in TEXTS[language]
    ]
    read = AnyFile(path=write(tmp_path, "a.jsonl", records), evidence="evidence").examples(ALL, 0)
    assert check_evidence(read) == 3
    assert [example.evidence[0].observation for example in read] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann's dog is 3.", ["ann", "s", "dog", "is", "3"]), ("红色 car", ["红", "色", "car"]),
        ("ที่", ["ที่"]), ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]), ("cafe\u0301 Café", ["café", "café"]),
        ("２０２３年", ["2023", "年"]), ("ﾃｽﾄ", ["テ", "ス", "ト"]), ("東京・大阪。", ["東", "京", "大", "阪"]),
        ("x_1 ไทย๑๒", ["x_1", "ไ", "ท", "ย", "๑๒"]), ("", []), ("。！", []),
    ],
)  # fmt: skip
def test_words_of_every_script(text, expected):
    assert words(text) == expected


def test_only_scripts_without_spaces_are_searched_by_pairs():
    assert search_terms("Ann rides a Kato") == words("Ann rides a Kato")
    assert search_terms("café au lait") == ["café", "au", "lait"]
    assert search_terms("红色a车") == ["红", "色", "a", "车", "红色"]
    assert [stem(word) for word in search_terms("红色")] == ["红", "色", "红色"]


def test_a_part_is_contained_by_words_and_characters_never_by_parts_of_words():
    assert contains_words("小明骑一辆红色的自行车。", "红色的自行车")
    assert not contains_words("红的色", "红色") and not contains_words("11月", "1月")
    assert not contains_words("He rides a Brandon.", "Brando") and not contains_words("x", "")


def test_sentences_and_sections_end_at_every_scripts_full_stop():
    assert split_sentences("小明去上班。他骑车！真的？是。") == [
        "小明去上班。",
        "他骑车！",
        "真的？",
        "是。",
    ]
    assert split_sentences("「はい。」と言った。犬です。") == [
        "「はい。」",
        "と言った。",
        "犬です。",
    ]
    parts = cut("小明去上班。" * 10, 20)
    assert parts == ["小明去上班。" * 3] * 3 + ["小明去上班。"]
