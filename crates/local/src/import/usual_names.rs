//! What columns are usually called, and which field each is.

/// A field of an event or of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    /// The platform's user.
    User,
    /// The item.
    Item,
    /// What was done.
    Type,
    /// When.
    Time,
    /// Money involved.
    Value,
    /// A rating.
    Rating,
    /// Seconds spent.
    Dwell,
    /// The identifier of the event.
    EventId,
    /// An item's title.
    Title,
    /// An item's categories.
    Categories,
    /// An item's price.
    Price,
    /// Whether an item may be shown.
    Status,
    /// Whether an item may not be shown, as yes or no.
    Hidden,
    /// From when an item may be shown.
    From,
    /// Until when an item may be shown.
    Until,
}

impl Field {
    /// Every field.
    const ALL: [Self; 15] = [
        Self::User,
        Self::Item,
        Self::Type,
        Self::Time,
        Self::Value,
        Self::Rating,
        Self::Dwell,
        Self::EventId,
        Self::Title,
        Self::Categories,
        Self::Price,
        Self::Status,
        Self::Hidden,
        Self::From,
        Self::Until,
    ];
    /// The fields of an event.
    pub(crate) const OF_EVENTS: [Self; 8] = [
        Self::User,
        Self::Item,
        Self::Type,
        Self::Time,
        Self::Value,
        Self::Rating,
        Self::Dwell,
        Self::EventId,
    ];
    /// The fields of an item; every other column of an item is an attribute.
    pub(crate) const OF_ITEMS: [Self; 8] = [
        Self::Item,
        Self::Title,
        Self::Categories,
        Self::Price,
        Self::Status,
        Self::Hidden,
        Self::From,
        Self::Until,
    ];

    /// The name that the API and `--map` know it by.
    pub(crate) fn name(self) -> &'static str {
        self.usual_names().next().unwrap_or_default()
    }

    /// Every field, those of events first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// A field by its own name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// What its column is usually called, its own name first: where a file has several of
    /// these, the first one holds. In lower case; case, spaces and signs do not count.
    fn usual_names(self) -> impl Iterator<Item = &'static str> {
        let names = match self {
            Self::User => {
                "user_id user uid visitor_id customer_id customer member_id account_id \
                 reviewer_id person_id buyer_id client_id learner_id student_id reader_id \
                 listener_id subscriber_id profile_id anonymous_id user_no who \
                 user_name username buyer buyer_name client client_name customer_name 用户id 用户编号 用户 \
                 学员id 学员编号 学员 学生id 学生编号 学生 会员id 会员编号 会员 客户id 客户编号 客户 \
                 买家id 买家 读者id 读者 用户名"
            }
            Self::Item => {
                "item_id item iid movie_id product_id article_id course_id book_id song_id \
                 track_id artist_id video_id news_id asin parent_asin content_id goods_id \
                 sku_id sku offer_id ad_id listing_id business_id game_id recipe_id \
                 anime_id poi_id isbn post_id product movie article course what 商品id 商品编号 课程id \
                 课程编号 物品id 物品编号 产品id 产品编号 图书id 图书编号 视频id 文章id 歌曲id \
                 电影id 课程 商品 物品 产品 图书 视频 文章 歌曲 电影"
            }
            Self::Type => {
                "type event_type event event_name action action_type behavior behaviour \
                 behavior_type behaviour_type feedback_type interaction_type activity 事件类型 \
                 行为类型 行为 动作类型 动作 操作类型 操作"
            }
            Self::Time => {
                "occurred_at timestamp event_time event_timestamp time datetime date_time \
                 ts created_at create_time creation_time unix_time unix_review_time \
                 unix_timestamp interaction_time event_date purchase_date order_date date \
                 rating_timestamp review_date reviewed_at reviewed created order_time ordered_at \
                 purchased_at pay_time when 时间 时间戳 日期 下单时间 购买时间 支付时间 发生时间 行为时间 \
                 浏览时间 评论时间 创建时间"
            }
            Self::Value => {
                "value event_value price amount revenue total total_price purchase_amount \
                 sales 金额 价格"
            }
            Self::Rating => "rating ratings stars score overall grade rating_value 评分",
            Self::Dwell => "dwell_seconds dwell dwell_time duration_seconds seconds",
            Self::EventId => "event_id message_id insert_id interaction_id",
            Self::Title => {
                "title name item_name product_name movie_title course_name headline \
                 item_title product_title 标题 名称 商品名称 课程名称 产品名称 图书名称 书名 片名 品名 商品标题 课程标题"
            }
            Self::Categories => {
                "categories category genres genre category_code category_name item_category \
                 product_category 分类 类别 类目 品类 学科"
            }
            Self::Price => "price list_price unit_price item_price 价格 售价 单价 定价",
            Self::Status => "status stock_status 状态 商品状态 库存状态 上架状态",
            Self::Hidden => "is_hidden hidden",
            Self::From => "available_from valid_from start_date starts_at 上架时间 开始时间",
            Self::Until => {
                "available_until valid_until end_date ends_at expires_at 下架时间 结束时间 到期时间"
            }
        };
        names.split(' ')
    }

    /// How good a name a column has for this field: 0 is best; `None`: none of its names.
    /// An item's column that is called only `id` is the item's.
    pub(crate) fn rank(self, column: &str, of_items: bool) -> Option<usize> {
        let plain = plain(column);
        let rank = self.usual_names().position(|name| self::plain(name) == plain);
        let is_own_id = of_items && self == Self::Item && plain == "id";
        rank.or_else(|| is_own_id.then(|| self.usual_names().count()))
    }
}

/// A name without case, signs and the type that RecBole writes behind a colon.
fn plain(name: &str) -> String {
    let name = match name.rsplit_once(':') {
        Some((name, "token" | "token_seq" | "float" | "float_seq")) => name,
        _ => name,
    };
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a column has a usual name of some field.
pub(crate) fn is_known(column: &str) -> bool {
    Field::ALL.into_iter().any(|field| field.rank(column, true).is_some())
}

/// Columns that a file of refused rows adds, and programs add by themselves.
pub(crate) fn is_added(column: &str) -> bool {
    column.starts_with("refused_") || column == "__index_level_0__" || column == "Unnamed: 0"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(column: &str) -> Option<Field> {
        Field::OF_EVENTS.into_iter().find(|field| field.rank(column, false).is_some())
    }

    #[test]
    fn usual_names_are_known_in_any_case_and_spelling() {
        let cases = [
            (
                Field::User,
                &["userId", "USER_ID", "UserId", "user_id:token", "visitorid", "User ID", "who"][..],
            ),
            (
                Field::Item,
                &["movieId", "ITEM_ID", "itemid", "product_id", "item_id:token", "asin", "What"],
            ),
            (Field::Type, &["event_type", "EVENT_TYPE", "FeedbackType", "event", "Type"]),
            (
                Field::Time,
                &["timestamp", "TIMESTAMP", "event_time", "timestamp:float", "Timestamp", "when"],
            ),
            (Field::Value, &["price", "value", "EVENT_VALUE", "Price"]),
            (Field::Rating, &["rating", "rating:float", "stars"]),
            (Field::User, &["用户", "学员", "会员编号", "客户ID", "学生"]),
            (Field::Item, &["课程", "商品ID", "课程编号", "图书"]),
        ];
        for (field, columns) in cases {
            for column in columns {
                assert_eq!(field_of(column), Some(field), "{column}");
            }
        }
        for column in ["brand", "category_id", "user_session", "comment", "", "id"] {
            assert_eq!(field_of(column), None, "{column}");
        }
    }

    #[test]
    fn each_field_has_a_name_of_its_own() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(field));
        }
        assert_eq!(Field::Item.rank("id", true), Some(Field::Item.usual_names().count()));
        assert_eq!(Field::Item.rank("id", false), None);
    }

    #[test]
    fn the_columns_of_a_shops_items_are_known_in_chinese() {
        for (field, column) in [
            (Field::Title, "书名"),
            (Field::Categories, "类目"),
            (Field::Price, "售价"),
            (Field::Status, "库存状态"),
            (Field::From, "上架时间"),
            (Field::Until, "下架时间"),
        ] {
            let found =
                Field::OF_ITEMS.into_iter().find(|field| field.rank(column, true).is_some());
            assert_eq!(found, Some(field), "{column}");
        }
    }
}
